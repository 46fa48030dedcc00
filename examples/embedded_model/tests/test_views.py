"""Views of the pairs, and questions put into other words."""

import numpy as np
import pytest

from embedded_model.questions.rewording import keywords, misspelt, reworded, without_shared_words
from embedded_model.questions.views import Collection, build_view, merge
from embedded_model.recipe.settings import VIEW_KINDS
from embedded_model.sources.pairs import Pair
from examples.embedded_model.tests.tiny_runs import NOUNS


def long_passage(number: int) -> str:
    """Ten sentences of ten words; no two passages are equal."""
    name = "".join(chr(ord("a") + int(digit)) for digit in f"{number:03}")
    return " ".join(
        f"Sentence {first} of the text {name} says something about {second} today."
        for first, second in zip(NOUNS, reversed(NOUNS), strict=True)
    )


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
