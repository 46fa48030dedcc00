"""Fine-tuning: from pairs to a folder that every wrapper loads, and what it says about itself."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder
from sentence_transformers.base.evaluation import BaseEvaluator

from rerank_plugins import CrossEncoderScorer, InvalidInputError, ModelNotFoundError
from rerank_plugins.errors import RerankError, UnsupportedOptionError
from rerank_plugins.evaluation import change, compare, read_collection
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.fine_tuning import (
    FineTuningOptions,
    FineTuningResult,
    LabelledQuestion,
    fine_tune,
    run,
)
from rerank_plugins.fine_tuning.measuring import development_evaluator
from rerank_plugins.fine_tuning.mining import TrainingRow
from rerank_plugins.fine_tuning.saving import write_card
from rerank_plugins.fine_tuning.start_model import load_for_training
from rerank_plugins.fine_tuning.trainer import train
from rerank_plugins.messages.commands import install_command
from tests.domain import domain_rows, write_pairs
from tests.forked import run_forked
from tests.tiny_models import save_as_the_library_does, save_tiny_cross_encoder, save_tiny_encoder
from tests.wrappers import WRAPPERS

PAIRS = [("where is the red fox", "the red fox is in the house"), ("a b", "the sea")]
SECOND = """
import sys
from pathlib import Path
from rerank_plugins.fine_tuning import FineTuningOptions, fine_tune

data, output, model = sys.argv[1:]
options = FineTuningOptions(model=model, epochs=1, negatives=2, learning_rate=1e-3, depth=10)
fine_tune(Path(data), Path(output), options, resume=False)
"""
SAME_ANSWER = [{"query": f"q {number}", "positive": "the house"} for number in range(12)]


def quick(model: Path, **changes: Any) -> FineTuningOptions:
    settings: dict[str, Any] = {"epochs": 1, "negatives": 2, "learning_rate": 1e-3, "depth": 10}
    return FineTuningOptions(model=str(model), **{**settings, **changes})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("domain") / "animals.jsonl")


@pytest.fixture(scope="module")
def result(
    pairs: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> FineTuningResult:
    return fine_tune(pairs, tmp_path_factory.mktemp("run") / "out", quick(tiny_model))


class TestTheFolder:
    def test_our_scorer_and_the_plain_library_load_it_and_agree(
        self, result: FineTuningResult
    ) -> None:
        plain = CrossEncoder(str(result.model), device="cpu", local_files_only=True)
        wanted = plain.predict(PAIRS, activation_fn=torch.nn.Identity(), show_progress_bar=False)
        with CrossEncoderScorer(result.model) as scorer:
            assert scorer.score_pairs(PAIRS) == pytest.approx(wanted, abs=1e-4)

    @pytest.mark.parametrize("framework", WRAPPERS)
    def test_every_wrapper_loads_it(self, result: FineTuningResult, framework: str) -> None:
        wrapper, (query, _) = WRAPPERS[framework], PAIRS[0]
        passages = [passage for _, passage in PAIRS]
        with CrossEncoderScorer(result.model) as scorer:
            wanted = scorer.score(query, passages)
        ranking = wrapper.rank(query, passages, model=str(result.model), scale="logit")
        assert dict(ranking) == pytest.approx(
            {str(i): score for i, score in enumerate(wanted)}, abs=1e-4
        )

    def test_it_reads_as_many_tokens_as_the_model_before(
        self, pairs: Path, tiny_model: Path, tmp_path: Path
    ) -> None:
        options = quick(tiny_model, max_length=16, held_out=0.0, development=0.0)
        made = fine_tune(pairs, tmp_path / "out", options)
        before, after = (
            CrossEncoder(str(folder), local_files_only=True) for folder in (tiny_model, made.model)
        )
        assert after.max_seq_length == before.max_seq_length == 64
        assert before.tokenizer(*PAIRS[0])["input_ids"] == after.tokenizer(*PAIRS[0])["input_ids"]

    def test_its_card_has_the_sizes_the_figures_and_the_settings(
        self, result: FineTuningResult
    ) -> None:
        card = (result.model / "README.md").read_text()
        assert result.held_out is not None
        for said in (
            "fine-tuned on animals",
            "21 questions for training, 3 to choose when to stop, 6 held out",
            f"| before | {100 * result.held_out.before:.1f} |",
            f"| after | {100 * result.held_out.after:.1f} |",
            "| learning rate | 0.001 |",
            "licences",
        ):
            assert said in card

    def test_its_card_names_a_base_of_another_run_by_more_than_model(
        self, result: FineTuningResult, tmp_path: Path
    ) -> None:
        base = tmp_path / "first" / "model"
        base.mkdir(parents=True)
        figures = {"sizes": result.sizes, "training": result.training, "held_out": None}
        write_card(tmp_path, name="animals", options=quick(base), **figures)
        assert "# first/model fine-tuned on animals" in (tmp_path / "README.md").read_text()

    def test_the_checkpoints_are_gone_and_the_held_out_questions_are_there(
        self, result: FineTuningResult
    ) -> None:
        names = {path.name for path in result.model.parent.iterdir()}
        assert names == {"model", "held-out", "fine_tuning.json"}

    def test_the_figures_can_be_measured_again(
        self, result: FineTuningResult, tiny_model: Path
    ) -> None:
        assert result.collection is not None
        assert result.held_out is not None
        collection = read_collection(result.collection)
        with CrossEncoderScorer(tiny_model) as before, CrossEncoderScorer(result.model) as after:
            comparison = compare(
                collection,
                bm25_candidates(collection, 10),
                {"before": before, "after": after},
                depth=10,
            )
        old, new = comparison.reranked
        assert comparison.first_stage.mean("nDCG@10") == pytest.approx(result.held_out.first_stage)
        assert old.mean("nDCG@10") == pytest.approx(result.held_out.before)
        assert new.mean("nDCG@10") == pytest.approx(result.held_out.after)
        assert change(old.values["nDCG@10"], new.values["nDCG@10"]) == result.held_out.change


class TestTheRun:
    def test_what_is_done_is_told_and_not_done_again(
        self, result: FineTuningResult, pairs: Path, tiny_model: Path
    ) -> None:
        written = (result.model / "model.safetensors").stat().st_mtime_ns
        assert fine_tune(pairs, result.model.parent, quick(tiny_model)) == result
        assert (result.model / "model.safetensors").stat().st_mtime_ns == written

    def test_what_is_done_is_told_however_the_model_to_start_from_is_spelled(
        self,
        result: FineTuningResult,
        pairs: Path,
        tiny_model: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tiny_model.parent)
        options = quick(Path(tiny_model.name), local_files_only=True)
        assert fine_tune(pairs, result.model.parent, options) == result

    @pytest.mark.parametrize("changed", ["seed", "data"])
    def test_another_run_is_not_written_over(
        self, result: FineTuningResult, tiny_model: Path, pairs: Path, tmp_path: Path, changed: str
    ) -> None:
        options = quick(tiny_model, **({"seed": 5} if changed == "seed" else {}))
        data = pairs
        if changed == "data":
            data = write_pairs(tmp_path / "animals.jsonl", domain_rows()[:20])
        with pytest.raises(InvalidInputError, match=f"different {changed}.*resume=False"):
            fine_tune(data, result.model.parent, options)

    def test_new_weights_under_the_old_name_are_another_run(
        self, pairs: Path, tiny_model: Path, tmp_path: Path
    ) -> None:
        model = tmp_path / "model-to-start-from"
        shutil.copytree(tiny_model, model)
        bare = quick(model, held_out=0.0, development=0.0)
        fine_tune(pairs, tmp_path / "out", bare)
        shutil.rmtree(model)
        save_tiny_cross_encoder(model, spread=2.0)
        with pytest.raises(InvalidInputError, match=r"different weights.*resume=False"):
            fine_tune(pairs, tmp_path / "out", bare)

    def test_a_run_into_the_working_folder_starts_from_a_model_by_its_name(
        self, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        data = write_pairs(tmp_path / "few.jsonl", domain_rows()[:12])
        options = quick(Path("embedded"), held_out=0.0, development=0.0)
        assert fine_tune(data, Path(), options).model == Path("model")

    def test_what_is_tuned_from_the_embedded_model_reads_no_further_than_that(
        self, tmp_path: Path
    ) -> None:
        data = write_pairs(tmp_path / "few.jsonl", domain_rows()[:12])
        options = quick(Path("embedded"), held_out=0.0, development=0.0)
        model = load(fine_tune(data, tmp_path / "out", options).model)
        assert model.max_seq_length == model.config.max_position_embeddings == 384
        model.max_seq_length = 512
        with pytest.raises(RuntimeError, match="size of tensor"):
            model.predict([("where is the fox", "in the house " * 200)])

    def test_a_run_begun_for_a_model_that_is_gone_has_no_result_before_its_end(
        self, pairs: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = quick(tiny_model, held_out=0.0, development=0.0)
        fine_tune(pairs, tmp_path, options)
        shutil.rmtree(tmp_path / "model")

        def killed(*_: object) -> None:
            (tmp_path / "model").mkdir()
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(run, "save_model", killed)
            with pytest.raises(KeyboardInterrupt):
                fine_tune(pairs, tmp_path, options)
        again = fine_tune(pairs, tmp_path, options)
        assert load(again.model).num_labels == 1

    def test_a_folder_that_no_run_made_is_left_alone(
        self, pairs: Path, tiny_model: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "model").mkdir()
        with pytest.raises(InvalidInputError, match="no fine-tuning run"):
            fine_tune(pairs, tmp_path, quick(tiny_model))

    @pytest.mark.parametrize("resume", [True, False])
    @pytest.mark.parametrize("name", ["model", "held-out", "checkpoints", "fine_tuning.json"])
    def test_what_no_run_made_is_never_removed_or_written_over(
        self, pairs: Path, tiny_model: Path, tmp_path: Path, name: str, resume: bool
    ) -> None:
        thesis = tmp_path / name if name.endswith(".json") else tmp_path / name / "thesis.json"
        thesis.parent.mkdir(exist_ok=True)
        thesis.write_text('{"chapters": 3}')
        made = contents(tmp_path)
        with pytest.raises(
            InvalidInputError, match=rf"holds {name}, which no fine-tuning run made"
        ):
            fine_tune(pairs, tmp_path, quick(tiny_model), resume=resume)
        assert contents(tmp_path) == made

    def test_what_cannot_be_removed_is_an_error_before_anything_is_learnt(
        self, pairs: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bare = {"held_out": 0.0, "development": 0.0}
        fine_tune(pairs, tmp_path, quick(tiny_model, **bare))

        def refuse(path: object, *args: object, **options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "rmdir", refuse)
        with pytest.raises(InvalidInputError, match=r"model cannot be removed: Permission denied"):
            fine_tune(pairs, tmp_path, quick(tiny_model, seed=5, **bare), resume=False)

    def test_it_starts_anew_when_told_to(
        self, pairs: Path, tiny_model: Path, tmp_path: Path
    ) -> None:
        bare = {"held_out": 0.0, "development": 0.0}
        fine_tune(pairs, tmp_path, quick(tiny_model, **bare))
        again = fine_tune(pairs, tmp_path, quick(tiny_model, seed=5, **bare), resume=False)
        assert json.loads((tmp_path / "fine_tuning.json").read_text())["settings"]["seed"] == 5
        assert again.training.steps == 4

    @pytest.mark.parametrize("wrong", ["bi_encoder", "data"])
    def test_a_start_anew_that_fails_leaves_what_the_old_run_made(
        self, result: FineTuningResult, pairs: Path, tiny_model: Path, tmp_path: Path, wrong: str
    ) -> None:
        output = tmp_path / "out"
        shutil.copytree(result.model.parent, output)
        made = contents(output)
        options, data = quick(tiny_model, seed=5), pairs
        if wrong == "bi_encoder":
            options = replace(options, bi_encoder="/none/of/this")
        else:
            data = write_pairs(tmp_path / "same.jsonl", SAME_ANSWER)
        with pytest.raises(InvalidInputError, match=r"could not be loaded|nothing to learn from"):
            fine_tune(data, output, options, resume=False)
        assert contents(output) == made

    @pytest.mark.parametrize("wrong", [{"bi_encoder": "/none/of/this"}, {"max_length": 65}])
    def test_a_first_start_that_fails_does_not_stand_in_the_way_of_the_next(
        self, pairs: Path, tiny_model: Path, tmp_path: Path, wrong: dict[str, Any]
    ) -> None:
        options = quick(tiny_model, held_out=0.0, development=0.0)
        with pytest.raises(RerankError):
            fine_tune(pairs, tmp_path, replace(options, **wrong))
        assert fine_tune(pairs, tmp_path, options).training.steps == 4

    def test_without_held_out_questions_nothing_is_measured_and_the_last_step_is_kept(
        self, pairs: Path, tiny_model: Path, tmp_path: Path
    ) -> None:
        options = quick(tiny_model, held_out=0.0, development=0.0)
        made = fine_tune(pairs, tmp_path, options)
        assert made.held_out is None
        assert made.collection is None
        assert not (tmp_path / "held-out").exists()
        assert made.training.kept_step == made.training.steps == 4
        card = (made.model / "README.md").read_text()
        assert "Nothing was measured" in card
        assert "from the last of 4 steps" in card

    def test_it_says_nothing_unless_it_shows_its_progress(
        self, pairs: Path, tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        fine_tune(pairs, tmp_path / "a", quick(tiny_model))
        quiet = capfd.readouterr()
        assert quiet.out == quiet.err == ""
        fine_tune(pairs, tmp_path / "b", quick(tiny_model), progress=True)
        shown = capfd.readouterr()
        assert shown.out == ""
        assert "measuring" in shown.err

    def test_half_a_character_in_a_text_does_not_end_the_run(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        broken = [{name: f"{text} \ud83d" for name, text in row.items()} for row in domain_rows()]
        data = write_pairs(tmp_path / "broken.jsonl", broken)
        made = fine_tune(data, tmp_path / "out", quick(tiny_model))
        assert made.collection is not None
        assert all(
            text.endswith(" ?") for text in read_collection(made.collection).passages.values()
        )

    def test_fewer_questions_can_be_used_than_there_are(
        self, pairs: Path, tiny_model: Path, tmp_path: Path
    ) -> None:
        options = quick(tiny_model, questions=10, held_out=0.0, development=0.0)
        sizes = fine_tune(pairs, tmp_path, options).sizes
        assert (sizes.train, sizes.passages) == (10, 30)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Looks(BaseEvaluator):
    """Gives the figures it was told to give, then raises what it was told to raise."""

    def __init__(self, *values: float | BaseException) -> None:
        super().__init__()
        self.values = list(values)

    def __call__(self, model: Any, *args: Any, **options: Any) -> dict[str, float]:
        value = self.values.pop(0)
        if isinstance(value, BaseException):
            raise value
        return {"ndcg@10": value}


def rows() -> list[TrainingRow]:
    texts = [row["positive"] for row in domain_rows()]
    return [
        TrainingRow(row["query"], row["positive"], (texts[number - 1], texts[number - 2]))
        for number, row in enumerate(domain_rows())
    ]


def load(folder: Path) -> CrossEncoder:
    return CrossEncoder(str(folder), device="cpu", local_files_only=True)


def test_a_prompt_saved_with_the_model_stands_before_the_questions_that_it_learns_from(
    tiny_model: Path, tmp_path: Path
) -> None:
    prompts = {"prompts": {"query": "how "}, "default_prompt_name": "query"}
    model = CrossEncoder(str(tiny_model), device="cpu", **prompts)
    save_as_the_library_does(model, tmp_path / "model")
    prompted, plain = load(tmp_path / "model"), load(tiny_model)
    spelled_out = [replace(row, query=f"how {row.query}") for row in rows()]
    for model, learned, name in ((prompted, rows(), "prompted"), (plain, spelled_out, "plain")):
        options = quick(tiny_model)
        train(model, learned, None, options, checkpoints=tmp_path / name, progress=False)
    for name, values in plain.state_dict().items():
        torch.testing.assert_close(prompted.state_dict()[name], values, msg=name)


class TestStopping:
    def test_questions_that_find_no_wrong_passage_cannot_choose(self) -> None:
        alone = [LabelledQuestion("where is the fox", ("the fox is here",))]
        assert development_evaluator(alone, ["the fox is here", "a tree"], 8) is None
        assert development_evaluator([], ["a tree"], 8) is None

    def test_it_stops_when_nothing_gets_better_and_keeps_the_best(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        options = quick(tiny_model, epochs=5, looks=1, patience=2)
        figures = train(
            load(tiny_model),
            rows(),
            Looks(0.1, 0.2, 0.4, 0.3, 0.3),  # type: ignore[arg-type]
            options,
            checkpoints=tmp_path,
            progress=False,
        )
        assert (figures.kept_step, figures.steps) == (8, 16)
        assert (figures.development_before, figures.development_after) == (0.1, 0.4)

    def test_the_model_stays_as_it_was_if_every_step_is_worse(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        model, start = load(tiny_model), load(tiny_model)
        options = quick(tiny_model, epochs=2, looks=1)
        looks: Any = Looks(0.9, 0.2, 0.3)
        figures = train(model, rows(), looks, options, checkpoints=tmp_path, progress=False)
        assert figures.kept_step == 0
        assert figures.development_after == 0.9
        assert np.array_equal(
            model.predict(PAIRS, show_progress_bar=False),
            start.predict(PAIRS, show_progress_bar=False),
        )

    def test_a_share_of_the_start_makes_the_mean_of_the_weights_and_looks_at_it(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        start, whole, mixed = load(tiny_model), load(tiny_model), load(tiny_model)
        options = quick(tiny_model, epochs=2, looks=1)
        self.train(whole, Looks(0.1, 0.2, 0.3), options, tmp_path / "whole")
        sharing = replace(options, start_share=0.25)
        figures = self.train(mixed, Looks(0.1, 0.2, 0.3, 0.6), sharing, tmp_path / "mixed")
        assert figures.development_after == 0.6
        begun, ended = start.state_dict(), whole.state_dict()
        assert any(not torch.equal(begun[name], ended[name]) for name in begun)
        for name, values in mixed.state_dict().items():
            torch.testing.assert_close(values, 0.25 * begun[name] + 0.75 * ended[name])

    def test_a_share_of_the_start_without_anything_gained_is_the_start(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        start, mixed = load(tiny_model), load(tiny_model)
        options = quick(tiny_model, epochs=2, looks=1, start_share=0.25)
        figures = self.train(mixed, Looks(0.9, 0.2, 0.3), options, tmp_path)
        assert (figures.kept_step, figures.development_after) == (0, 0.9)
        for name, values in mixed.state_dict().items():
            assert torch.equal(values, start.state_dict()[name])

    def test_a_stopped_run_goes_on_and_ends_where_an_unbroken_one_ends(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        options = quick(tiny_model, epochs=3, looks=1)

        def run(model: CrossEncoder, looks: Any, name: str) -> int:
            checkpoints = tmp_path / name
            return train(
                model, rows(), looks, options, checkpoints=checkpoints, progress=False
            ).steps

        broken, unbroken = load(tiny_model), load(tiny_model)
        assert run(unbroken, Looks(0.1, 0.2, 0.3, 0.4), "unbroken") == 12
        with pytest.raises(KeyboardInterrupt):
            run(load(tiny_model), Looks(0.1, 0.2, KeyboardInterrupt()), "broken")
        assert run(broken, Looks(0.1, 0.3, 0.4), "broken") == 12
        assert broken.predict(PAIRS, show_progress_bar=False) == pytest.approx(
            unbroken.predict(PAIRS, show_progress_bar=False), abs=1e-5
        )

    @pytest.mark.parametrize("left", ["", '{"epoch": 2.0, "log_history": [', "{}"])
    def test_a_checkpoint_whose_state_was_cut_short_is_passed_over(
        self, tiny_model: Path, tmp_path: Path, left: str
    ) -> None:
        options = quick(tiny_model, epochs=3, looks=1)
        killed = Looks(0.1, 0.2, 0.3, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            self.train(load(tiny_model), killed, options, tmp_path)
        (tmp_path / "checkpoint-8" / "trainer_state.json").write_text(left)
        looks = Looks(0.1, 0.3, 0.4)  # from step 4: a look at 8, and one at 12
        assert self.train(load(tiny_model), looks, options, tmp_path).steps == 12
        assert looks.values == []

    @pytest.mark.parametrize(
        ("looks", "steps"), [((0.1, 0.2, 0.4, 0.3, 0.3), 16), ((0.1, 0.4, 0.2, 0.5, 0.3, 0.2), 20)]
    )
    def test_a_run_killed_after_its_training_keeps_the_best_step_wherever_it_lies_now(
        self, tiny_model: Path, tmp_path: Path, looks: tuple[float, ...], steps: int
    ) -> None:
        options = quick(tiny_model, epochs=5, looks=1, patience=2)
        first, again = load(tiny_model), load(tiny_model)
        made = self.train(first, Looks(*looks), options, tmp_path / "run")
        assert made.steps == steps
        (tmp_path / "run").rename(tmp_path / "moved")
        found = self.train(again, Looks(0.1), options, tmp_path / "moved")  # a second look fails
        assert replace(found, seconds=made.seconds) == made
        assert np.array_equal(
            again.predict(PAIRS, show_progress_bar=False),
            first.predict(PAIRS, show_progress_bar=False),
        )

    def test_a_run_killed_after_its_training_keeps_the_last_step_where_nothing_chooses(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        options = quick(tiny_model)
        first, again = load(tiny_model), load(tiny_model)
        made = self.train(first, None, options, tmp_path)
        found = self.train(again, None, options, tmp_path)
        assert replace(found, seconds=made.seconds) == made
        assert np.array_equal(
            again.predict(PAIRS, show_progress_bar=False),
            first.predict(PAIRS, show_progress_bar=False),
        )

    def test_the_best_step_gone_is_an_error_and_not_another_step(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        options = quick(tiny_model, epochs=5, looks=1, patience=2)
        looks = Looks(0.1, 0.2, 0.4, 0.3, 0.3)
        made = self.train(load(tiny_model), looks, options, tmp_path)
        shutil.rmtree(tmp_path / f"checkpoint-{made.kept_step}")
        with pytest.raises(InvalidInputError, match=r"checkpoint-8 is gone.*resume=False"):
            self.train(load(tiny_model), Looks(0.1), options, tmp_path)

    @staticmethod
    def train(model: CrossEncoder, looks: Any, options: FineTuningOptions, folder: Path) -> Any:
        return train(model, rows(), looks, options, checkpoints=folder, progress=False)


class TestErrors:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("epochs", 0),
            ("learning_rate", 0.5),
            ("max_length", 4),
            ("development", 0.5),
            ("held_out", -0.1),
            ("epochs", float("inf")),
            ("epochs", float("nan")),
            ("seed", -1),
            ("seed", 2**32),
            ("seed", "13"),
            ("questions", 9),
            ("batch_size", 0),
            ("negatives", 0),
            ("looks", 0),
            ("patience", 0),
            ("depth", 0),
            ("start_share", 1.0),
            ("epochs", "2"),
            ("held_out", None),
            ("questions", "all"),
            ("max_length", 40.5),
            ("start_share", -0.1),
            ("model", 3),
            ("bi_encoder", 3),
        ],
    )
    def test_a_setting_that_is_not_allowed_is_named(self, name: str, value: Any) -> None:
        with pytest.raises(InvalidInputError, match=name):
            FineTuningOptions(**{name: value})

    def test_too_few_questions_are_an_error_with_the_least_number(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        few = write_pairs(tmp_path / "few.jsonl", domain_rows()[:9] * 3)
        with pytest.raises(InvalidInputError, match=r"has 9 different questions.* at least 10"):
            fine_tune(few, tmp_path / "out", quick(tiny_model))

    def test_shares_that_leave_no_question_to_train_on_are_named(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        few = write_pairs(tmp_path / "few.jsonl", domain_rows()[:10])
        shares = {"held_out": 0.49, "development": 0.49}
        with pytest.raises(InvalidInputError, match=r"held_out=0\.49 and development=0\.49 take"):
            fine_tune(few, tmp_path / "out", quick(tiny_model, **shares))

    def test_one_passage_for_all_questions_leaves_nothing_to_learn(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        data = write_pairs(tmp_path / "same.jsonl", SAME_ANSWER)
        with pytest.raises(InvalidInputError, match="nothing to learn from same"):
            fine_tune(data, tmp_path / "out", quick(tiny_model))

    def test_a_head_with_several_columns_is_refused(
        self, three_column_model: Path, pairs: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(InvalidInputError, match="head with several columns"):
            fine_tune(pairs, tmp_path, quick(three_column_model))

    def test_more_tokens_than_the_model_reads_are_refused(
        self, tiny_model: Path, pairs: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(UnsupportedOptionError, match="at most 64 tokens"):
            fine_tune(pairs, tmp_path, quick(tiny_model, max_length=65))

    def test_a_model_that_is_not_there_is_the_scorer_s_error(
        self, pairs: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(ModelNotFoundError, match="There is no directory"):
            fine_tune(pairs, tmp_path / "out", quick(Path("/none/of/this")))

    def test_a_bi_encoder_that_is_not_there_is_named(
        self, tiny_model: Path, pairs: Path, tmp_path: Path
    ) -> None:
        options = quick(tiny_model, bi_encoder="/none/of/this")
        with pytest.raises(InvalidInputError, match="bi_encoder='/none/of/this' could not be"):
            fine_tune(pairs, tmp_path / "out", options)

    def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        data = write_pairs(tmp_path / "pairs.jsonl", domain_rows())
        with pytest.raises(InvalidInputError, match=r"pairs\.jsonl/out cannot be made"):
            fine_tune(data, data / "out", quick(tiny_model))

    def test_a_bi_encoder_with_pickled_weights_is_refused(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        save_tiny_encoder(tmp_path / "encoder")
        weights = tmp_path / "encoder" / "model.safetensors"
        torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
        weights.unlink()
        data = write_pairs(tmp_path / "pairs.jsonl", domain_rows())
        with pytest.raises(InvalidInputError, match=r"bi_encoder=.*safetensors"):
            fine_tune(
                data, tmp_path / "out", quick(tiny_model, bi_encoder=str(tmp_path / "encoder"))
            )

    def test_the_model_to_start_from_is_not_written_over(
        self, result: FineTuningResult, pairs: Path
    ) -> None:
        with pytest.raises(InvalidInputError, match="lies in"):
            fine_tune(pairs, result.model.parent, quick(result.model), resume=False)
        assert result.model.is_dir()

    def test_the_model_to_start_from_is_found_in_the_output_by_its_name_from_home(
        self, result: FineTuningResult, pairs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        output = result.model.parent
        monkeypatch.setenv("HOME", str(output.parent))
        made = contents(output)
        with pytest.raises(InvalidInputError, match="lies in"):
            fine_tune(pairs, output, quick(Path("~") / output.name / "model"), resume=False)
        assert contents(output) == made

    @pytest.mark.parametrize("linked", [False, True])
    def test_the_data_are_not_removed_by_the_run_that_reads_them(
        self, tiny_model: Path, tmp_path: Path, linked: bool
    ) -> None:
        output = tmp_path / "out"
        fine_tune(write_pairs(tmp_path / "pairs.jsonl"), output, quick(tiny_model, held_out=0.45))
        made, data = contents(output), output / "held-out"
        if linked:
            data = tmp_path / "link"
            data.symlink_to(output / "held-out")
        with pytest.raises(InvalidInputError, match=f"{data.name}' lies in"):
            fine_tune(data, output, quick(tiny_model), resume=False)
        assert contents(output) == made

    def test_a_second_run_in_a_folder_is_an_error_and_leaves_the_first_alone(
        self,
        result: FineTuningResult,
        pairs: Path,
        tiny_model: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        output = tmp_path / "out"
        others = []

        def meanwhile(*arguments: Any) -> Any:
            others.append(run_forked(SECOND, pairs, output, tiny_model))
            return load_for_training(*arguments)

        monkeypatch.setattr(run, "load_for_training", meanwhile)
        made = fine_tune(pairs, output, quick(tiny_model))
        assert f"Another run is writing to {output}. Wait until it has ended" in others[0].stderr
        assert made.held_out == result.held_out
        assert not list(output.glob("*.lock"))

    def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(
        self, pairs: Path, tiny_model: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "fine_tuning.lock").mkdir()
        with pytest.raises(InvalidInputError, match=f"{tmp_path} cannot be written: .*another"):
            fine_tune(pairs, tmp_path, quick(tiny_model))

    @pytest.mark.parametrize("module", ["datasets", "accelerate"])
    def test_without_its_packages_the_import_says_what_to_install(self, module: str) -> None:
        code = f"import sys; sys.modules[{module!r}] = None; import rerank_plugins.fine_tuning"
        assert install_command("train") in run_forked(code).stderr
