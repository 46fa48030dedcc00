"""A time budget: what is scored, in which order, and that nothing is scored after its end."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from rerank_plugins import CrossEncoderScorer, PairScores, Scorer, ScoringTimeoutError
from rerank_plugins.scoring.answers import aanswer, answer
from rerank_plugins.testing import DeterministicScorer
from tests.number_backend import Pair, numbers, some_pairs

LONG = 60.0
"""Seconds that no test takes."""

WAYS: dict[str, Callable[..., PairScores]] = {
    "sync": answer,
    "async": lambda *args, **kwargs: asyncio.run(aanswer(*args, **kwargs)),
}
"""The same call, blocking and on an event loop."""


def within(seconds: float) -> float:
    """A deadline."""
    return time.monotonic() + seconds


class Held(Scorer):
    """Scores so many pairs, and keeps the futures of the others pending."""

    def __init__(self, scored: int) -> None:
        self.left = scored
        self.futures: list[Future[PairScores]] = []
        self.sizes: list[int] = []

    def submit(self, pairs: Sequence[Pair]) -> "Future[PairScores]":
        future: Future[PairScores] = Future()
        self.futures.append(future)
        self.sizes.append(len(pairs))
        self.left -= len(pairs)
        if self.left >= 0:
            future.set_result(PairScores(numbers(pairs)))
        return future


@pytest.mark.parametrize("way", WAYS)
def test_a_scorer_of_ones_own_is_asked_for_slices_and_what_is_there_counts(way: str) -> None:
    pairs, scorer = some_pairs("q", 100), Held(15)
    scores = WAYS[way](scorer, pairs, deadline=within(1))
    assert scorer.sizes == [1, 2, 4, 8, 16]
    assert scores.scored is not None
    assert scores.scored.tolist() == [True] * 15 + [False] * 85
    np.testing.assert_array_equal(scores.logits[:15], numbers(pairs[:15]))
    assert np.isnan(scores.logits[15:]).all()
    assert scores.truncated is None
    assert scorer.futures[-1].cancelled()
    assert scorer.statistics.pairs == 15


@pytest.mark.parametrize("way", WAYS)
def test_a_scorer_of_ones_own_scores_everything_if_there_is_time(way: str) -> None:
    pairs, scorer = some_pairs("q", 100), DeterministicScorer(lambda q, p: len(p), max_words=4)
    scores = WAYS[way](scorer, pairs, deadline=within(LONG))
    assert scores.scored is None
    assert scores.truncated is not None
    assert scores.logits.tolist() == [len(passage) for _, passage in pairs]
    assert [pair for call in scorer.calls for pair in call] == pairs
    assert scorer.statistics.pairs == scorer.statistics.truncated == 100


@pytest.mark.parametrize("way", WAYS)
def test_a_budget_that_is_over_asks_for_nothing(way: str) -> None:
    scorer = DeterministicScorer()
    scores = WAYS[way](scorer, some_pairs("q", 3), deadline=time.monotonic())
    assert scorer.calls == []
    assert scores.scored is not None
    assert not scores.scored.any()
    assert scorer.statistics.pairs == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_timeout_before_the_end_of_the_budget_still_fails(way: str) -> None:
    scorer = Held(3)
    with pytest.raises(ScoringTimeoutError, match="100 pairs were not scored"):
        WAYS[way](scorer, some_pairs("q", 100), 0.05, deadline=within(LONG))
    assert scorer.futures[-1].cancelled()
    assert WAYS[way](Held(3), some_pairs("q", 100), LONG, deadline=within(0.05)).scored is not None


@pytest.mark.parametrize("way", WAYS)
def test_a_blocking_scorer_is_asked_again_only_while_there_is_time(way: str) -> None:
    deadline = within(1)

    def logit(query: str, passage: str) -> float:
        if passage.startswith("6 "):  # in the third slice
            time.sleep(deadline - time.monotonic())
        return 1.0

    scorer = DeterministicScorer(logit)
    scores = WAYS[way](scorer, some_pairs("q", 100), deadline=deadline)
    assert [len(call) for call in scorer.calls] == [1, 2, 4]
    assert scores.scored is not None
    assert scores.scored.sum() == 7  # what was scored too late is not thrown away


def test_the_engine_answers_at_the_deadline_with_what_is_there(tiny_model: Path) -> None:
    pairs = some_pairs("q", 20)
    with CrossEncoderScorer(tiny_model) as scorer:
        full = answer(scorer, pairs)
        assert full.scored is None
        scores = answer(scorer, pairs, deadline=within(LONG))
        assert scores.scored is None
        np.testing.assert_allclose(scores.logits, full.logits, atol=1e-5)
        nothing = answer(scorer, pairs, deadline=time.monotonic())
        assert nothing.scored is not None
        assert not nothing.scored.any()
        assert scorer.statistics.pairs == 40
