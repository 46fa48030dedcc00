"""The passages that stand beside a question."""

from pathlib import Path

import numpy as np
import pytest

from embedded_model.questions.mining import MinedView, is_mined, mine, read_mined, write_mined
from embedded_model.questions.views import build_view
from embedded_model.recipe.settings import MiningConfig
from embedded_model.sources.pairs import Pair
from examples.embedded_model.tests.tiny_runs import NOUNS, BagOfWords, tiny_rows


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
        view = mine(collection, BagOfWords(), config, np.random.default_rng(0))
        for question, golds in zip(view.questions, collection.golds, strict=True):
            for number, doubtful in list(zip(question.passages, question.doubtful, strict=True))[
                1:
            ]:
                assert doubtful == (number in golds)

    def test_unlabelled_questions_are_not_compared_with_what_they_were_taken_from(self) -> None:
        pairs = [Pair("q", long_passage(i)) for i in range(8)]
        collection = build_view("sentences", pairs, 8, np.random.default_rng(0))
        view = mine(collection, BagOfWords(), MiningConfig(), np.random.default_rng(0))
        assert not view.labelled
        assert len(view.questions) == 8
        for question, golds in zip(view.questions, collection.golds, strict=True):
            assert not set(question.passages) & set(golds)

    def test_questions_are_compared_with_all_others_and_without_a_label(self) -> None:
        pairs = [Pair(f"how big is {noun}", "p") for noun in NOUNS]
        collection = build_view("questions", pairs, 10, np.random.default_rng(0))
        view = mine(collection, BagOfWords(), MiningConfig(), np.random.default_rng(0))
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
        view = mine(collection, BagOfWords(), MiningConfig(), np.random.default_rng(0))
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
        mined = mine(view, BagOfWords(), MiningConfig(), np.random.default_rng(0)).questions
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
        return mine(self.collection(), BagOfWords(), config, np.random.default_rng(0))  # type: ignore[arg-type]
