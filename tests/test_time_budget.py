"""Rankings within a time budget: what has a score comes first, and the list says what has none."""

import asyncio
import copy
import math
import pickle
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    PairScores,
    Ranked,
    RankedList,
    Reranker,
    Scorer,
    ScoringTimeoutError,
)
from rerank_plugins.ranking.fusion import position_bonus
from rerank_plugins.testing import DeterministicScorer, SlowScorer

LONG = 600.0
"""Seconds that no test takes."""

PASSAGES = ["p0", "p1", "p2", "p3", "p4"]
LOGITS = {"p0": 1.0, "p1": -2.0, "p2": 3.0, "p3": 0.0, "p4": 9.0}

WAYS: dict[str, Callable[..., RankedList]] = {
    "rank": lambda one, *args, **more: one.rank(*args, **more),
    "arank": lambda one, *args, **more: asyncio.run(one.arank(*args, **more)),
}


class Capped(DeterministicScorer):
    """Has scored so many pairs when a time budget ends, however fast the machine is."""

    _keeps_deadlines = True

    def __init__(self, most: int, logits: dict[str, float] = LOGITS) -> None:
        super().__init__(lambda query, passage: logits[passage])
        self.most = most

    def _begin(
        self, pairs: Sequence[tuple[str, str]], *args: Any, deadline: float | None = None, **kw: Any
    ) -> "Future[PairScores]":
        future = self.submit(pairs)
        if deadline is None:
            return future
        scored = np.arange(len(pairs)) < self.most
        logits = np.where(scored, future.result().logits, np.nan)
        capped: Future[PairScores] = Future()
        capped.set_result(PairScores(logits, scored=scored))
        return capped


def order(ranking: RankedList) -> list[int]:
    """The positions, best first."""
    return [ranked.index for ranked in ranking]


def facts(ranking: RankedList) -> tuple[list[int], tuple[int, ...], tuple[int, ...]]:
    """The order, what has no score, and what of that belongs behind the scored passages."""
    return order(ranking), ranking.unscored, ranking.backfill


@pytest.mark.parametrize("way", WAYS)
def test_what_was_scored_is_ranked_and_the_rest_is_named_in_first_stage_order(way: str) -> None:
    reranker = Reranker(Capped(3), time_budget=LONG, scale="logit")
    ranking = WAYS[way](reranker, "q", PASSAGES)
    assert ranking == [
        Ranked(index=2, score=3.0, scale="logit", model_score=3.0),
        Ranked(index=0, score=1.0, scale="logit", model_score=1.0),
        Ranked(index=1, score=-2.0, scale="logit", model_score=-2.0),
    ]
    assert (ranking.unscored, ranking.backfill, ranking.read) == ((3, 4), (3, 4), (3,))
    assert not ranking.complete
    assert reranker.scorer.statistics.pairs == 3
    assert all(type(index) is int for index in ranking.unscored)


@pytest.mark.parametrize("way", WAYS)
def test_all_that_was_scored_in_time_is_the_ranking_without_a_budget(way: str) -> None:
    reranker = Reranker(Capped(5))
    ranking = WAYS[way](reranker, "q", PASSAGES, time_budget=LONG)
    assert [(one.index, one.score) for one in ranking] == [
        (one.index, one.score) for one in reranker.rank("q", PASSAGES)
    ]
    assert ranking.complete
    assert (ranking.unscored, ranking.backfill, ranking.read) == ((), (), (5,))


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"top_k": 4}, ([2, 0, 1], (3, 4), (3,))),
        ({"top_k": 3}, ([2, 0, 1], (3, 4), ())),
        ({"top_k": 1}, ([2], (3, 4), ())),
        ({"top_k": 50}, ([2, 0, 1], (3, 4), (3, 4))),
        ({"score_threshold": 0.5}, ([2, 0], (3, 4), ())),
        ({"score_threshold": 1.0, "top_k": 5}, ([], (3, 4), ())),
        ({"score_threshold": 0.0}, ([2, 0, 1], (3, 4), ())),
        ({"first_stage_weight": 1000}, ([0, 1, 2], (3, 4), (3, 4))),
    ],
    ids=str,
)
def test_the_unscored_fill_the_list_up_to_its_limit_and_never_under_a_threshold(
    options: dict[str, Any], found: object
) -> None:
    reranker = Reranker(Capped(3), time_budget=LONG)
    assert facts(reranker.rank("q", PASSAGES, **options)) == found
    assert facts(Reranker(Capped(3), time_budget=LONG, **options).rank("q", PASSAGES)) == found


def test_a_call_has_its_own_budget_or_none() -> None:
    reranker = Reranker(Capped(1), time_budget=LONG)
    assert reranker.time_budget == LONG
    assert len(reranker.rank("q", PASSAGES, time_budget=None)) == 5
    assert len(reranker.rank("q", PASSAGES, time_budget=LONG)) == 1
    nothing = reranker.rank("q", PASSAGES, time_budget=1e-9)
    assert facts(nothing) == ([], (0, 1, 2, 3, 4), (0, 1, 2, 3, 4))
    assert (nothing.read, nothing.complete) == ((0,), False)
    empty = reranker.rank("q", [], time_budget=1e-9)
    assert (facts(empty), empty.read, empty.complete) == (([], (), ()), (), True)


@pytest.mark.parametrize("budget", [0, -1, math.nan, math.inf, "1", True, [1]])
def test_a_budget_that_is_no_time_is_refused(budget: Any) -> None:
    told = "time_budget must be a number of seconds > 0, but got .* as long as it takes, pass None"
    with pytest.raises(InvalidInputError, match=told):
        Reranker(DeterministicScorer(), time_budget=budget)
    with pytest.raises(InvalidInputError, match=told):
        Reranker(DeterministicScorer()).rank("q", [], time_budget=budget)


def test_the_bonus_of_what_was_scored_is_that_of_its_place_in_the_whole_list() -> None:
    reranker = Reranker(Capped(3), time_budget=LONG, first_stage_weight=4, scale="logit")
    bonus = position_bonus(5)
    fused = [LOGITS[name] + 4 * bonus[at] for at, name in enumerate(PASSAGES)]
    ranking = reranker.rank("q", PASSAGES)
    assert order(ranking) == [0, 2, 1]
    assert [one.score for one in ranking] == [fused[at] for at in order(ranking)]
    scores = reranker.rank("q", PASSAGES, first_stage_scores=[0, 1, 4, 3, 2])
    assert [(one.index, one.score) for one in scores] == [(2, 7.0), (0, 1.0), (1, -1.0)]


def test_auto_asks_a_model_that_scored_nothing_for_no_weight() -> None:
    reranker = Reranker(DeterministicScorer(), first_stage_weight="auto", time_budget=1e-9)
    assert facts(reranker.rank("q", PASSAGES)) == ([], (0, 1, 2, 3, 4), (0, 1, 2, 3, 4))


def test_many_queries_are_read_in_turns_so_that_each_gets_as_far_as_the_others() -> None:
    lists = [PASSAGES, [], ["p4"], ["p2", "p1", "p0"]]
    queries = list("abcd")
    reranker = Reranker(Capped(6), time_budget=LONG)
    found = reranker.rank_many(queries, lists)
    turns = "a0 c4 d2 a1 d1 a2 d0 a3 a4".split()
    assert [f"{query}{passage[1]}" for query, passage in reranker.scorer.calls[0]] == turns
    assert [facts(one) for one in found] == [
        ([2, 0, 1], (3, 4), (3, 4)),
        ([], (), ()),
        ([0], (), ()),
        ([0, 1], (2,), (2,)),
    ]
    assert [one.read for one in found] == [(3,), (), (1,), (2,)]
    assert [one.complete for one in found] == [False, True, True, False]
    many = asyncio.run(reranker.arank_many(queries, lists))
    assert [facts(one) for one in many] == [facts(one) for one in found]
    whole = Reranker(Capped(50)).rank_many(queries, lists, time_budget=LONG)
    assert [order(one) for one in whole] == [
        order(Reranker(Capped(50)).rank(*one)) for one in zip(queries, lists, strict=True)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_in_a_cascade_the_large_model_reads_as_many_as_time_allows(way: str) -> None:
    small = {"p0": 0.0, "p1": 5.0, "p2": 3.0, "p3": 4.0, "p4": 1.0}
    large = Capped(2)
    stages = [{"scorer": Capped(5, small), "keep": 4}]
    reranker = Reranker(large, cascade=stages, time_budget=LONG)
    ranking = WAYS[way](reranker, "q", PASSAGES)
    assert [passage for _, passage in large.calls[0]] == ["p1", "p3", "p2", "p4"]
    assert facts(ranking) == ([3, 1], (2, 4), (2, 4))
    assert ranking.read == (5, 2)
    assert facts(WAYS[way](reranker, "q", PASSAGES, top_k=3)) == ([3, 1], (2, 4), (2,))
    assert facts(WAYS[way](reranker, "q", PASSAGES, score_threshold=0)) == ([3, 1], (2, 4), ())


def test_what_the_small_model_did_not_read_stands_behind_what_the_large_one_did_not() -> None:
    small, large = Capped(3), Capped(1)
    stages = [{"scorer": small, "keep": 2}]
    ranking = Reranker(large, cascade=stages, time_budget=LONG).rank("q", PASSAGES)
    assert [passage for _, passage in large.calls[0]] == ["p2", "p0"]
    assert facts(ranking) == ([2], (0, 3, 4), (0, 3, 4))
    assert ranking.read == (3, 1)
    late = Reranker(large, cascade=stages, time_budget=1e-9).rank("q", PASSAGES)
    assert facts(late) == ([], (0, 1, 2, 3, 4), (0, 1, 2, 3, 4))
    assert late.read == (0, 0)
    assert len(large.calls) == 1


class Held(Scorer):
    """Scores so many pairs, and keeps the futures of the others pending."""

    def __init__(self, scored: int) -> None:
        self.left = scored
        self.futures: list[Future[PairScores]] = []

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        self.futures.append(Future())
        self.left -= len(pairs)
        if self.left >= 0:
            self.futures[-1].set_result(PairScores([LOGITS[passage] for _, passage in pairs]))
        return self.futures[-1]


@pytest.mark.parametrize("way", WAYS)
def test_a_scorer_of_ones_own_is_budgeted_and_its_work_is_cancelled_at_the_end(way: str) -> None:
    scorer = Held(3)
    ranking = WAYS[way](Reranker(scorer, time_budget=2), "q", PASSAGES)
    assert facts(ranking) == ([2, 0, 1], (3, 4), (3, 4))
    assert [future.cancelled() for future in scorer.futures] == [False, False, True]
    assert scorer.statistics.pairs == 3


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_slow_scorer_gets_as_far_as_it_gets_and_the_list_says_how_far(
    way: str, *, blocking: bool
) -> None:
    passages = [str(at) for at in range(200)]
    with SlowScorer(0.02, lambda query, passage: float(passage), blocking=blocking) as slow:
        ranking = WAYS[way](Reranker(slow, time_budget=0.2), "q", passages)
        (read,) = ranking.read
        assert slow.statistics.pairs == read < 200
    assert facts(ranking)[:2] == (list(range(read))[::-1], tuple(range(read, 200)))
    assert read <= len(slow.scored) < 200  # of what is cancelled, some pairs may have been scored


def test_a_function_that_blocks_is_not_called_again_after_the_end() -> None:
    slices = []
    end = time.monotonic() + 1

    def logits(pairs: Sequence[tuple[str, str]]) -> list[float]:
        slices.append(len(pairs))
        time.sleep(max(0.0, end - time.monotonic()) + 0.5)  # beyond the budget
        return [LOGITS[passage] for _, passage in pairs]

    with Scorer.from_function(logits) as scorer:
        ranking = Reranker(scorer, time_budget=1).rank("q", PASSAGES)
    assert slices == [1]
    assert facts(ranking) == ([], (0, 1, 2, 3, 4), (0, 1, 2, 3, 4))


def test_a_time_limit_that_ends_first_is_still_an_error() -> None:
    reranker = Reranker(Held(1), time_budget=LONG)
    with pytest.raises(ScoringTimeoutError, match=r"5 pairs were not scored .*timeout=0\.05"):
        reranker.rank("q", PASSAGES, timeout=0.05)


def test_a_model_reads_all_if_there_is_time_and_is_not_asked_if_there_is_none(
    tiny_model: Path,
) -> None:
    with CrossEncoderScorer(tiny_model) as scorer:
        reranker = Reranker(scorer)
        texts = ["the red fox", "a dog", "fire"]
        ranking = reranker.rank("red fox", texts, time_budget=LONG)
        assert order(ranking) == order(reranker.rank("red fox", texts))
        assert ranking.complete
        late = reranker.rank("red fox", texts, time_budget=1e-9)
        assert facts(late) == ([], (0, 1, 2), (0, 1, 2))
        assert scorer.statistics.pairs == 6


def test_a_ranking_keeps_what_it_says_when_it_is_pickled_or_copied() -> None:
    ranking = Reranker(Capped(3), time_budget=LONG).rank("q", PASSAGES)
    for again in (pickle.loads(pickle.dumps(ranking)), copy.deepcopy(ranking), copy.copy(ranking)):
        assert type(again) is RankedList
        assert again == ranking
        assert (facts(again), again.read, again.complete) == (facts(ranking), (3,), False)


@settings(deadline=None)
@given(st.integers(0, 7), st.none() | st.integers(1, 8), st.booleans(), st.integers(0, 7))
def test_every_passage_is_scored_or_unscored_and_the_list_is_as_long_as_its_limit(
    count: int, top_k: int | None, threshold: bool, most: int
) -> None:
    passages = [f"p{at}" for at in range(count)]
    scorer = Capped(most, {name: float(at % 3) for at, name in enumerate(passages)})
    options: dict[str, Any] = {"score_threshold": 0.0} if threshold else {}
    ranking = Reranker(scorer, time_budget=LONG, **options).rank("q", passages)
    assert sorted([*order(ranking), *ranking.unscored]) == list(range(count))
    limited = Reranker(scorer, time_budget=LONG, top_k=top_k, **options).rank("q", passages)
    scored, limit = min(most, count), count if top_k is None else min(top_k, count)
    assert len(limited) == min(scored, limit)
    assert len(limited.backfill) == (0 if threshold else max(0, limit - scored))
    assert limited.unscored == tuple(range(scored, count))
