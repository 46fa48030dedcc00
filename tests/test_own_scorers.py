"""Scorers from functions, time limits of one call, and the ends of scorers in async code."""

import asyncio
import inspect
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    PairScores,
    Reranker,
    Scorer,
    ScorerClosedError,
    ScoringError,
    ScoringTimeoutError,
)
from rerank_plugins.scoring import contract
from rerank_plugins.testing import DeterministicScorer
from tests.forked import forked_process
from tests.wrappers import WRAPPERS

PASSAGES = ["a longer passage", "short"]


def lengths(pairs: Sequence[tuple[str, str]]) -> list[float]:
    """A model of somebody's: the longer, the better."""
    return [float(len(passage)) for _, passage in pairs]


def test_a_function_of_pairs_is_a_scorer() -> None:
    with Scorer.from_function(lengths) as scorer:
        assert scorer.name == "lengths"
        scores = scorer.score("q", PASSAGES)
        assert scores.dtype == np.float32
        assert scores.tolist() == [16.0, 5.0]
        assert [ranked.index for ranked in Reranker(scorer).rank("q", PASSAGES)] == [0, 1]
        assert scorer.statistics.pairs == 4
    assert Scorer.from_function(lengths, name="ours").name == "ours"


@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_wrapper_ranks_with_a_function(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    with Scorer.from_function(lambda pairs: np.array(lengths(pairs))) as scorer:
        component = wrapper.make(scorer=scorer)
        ranking = wrapper.ranking(wrapper.run(component, "q", wrapper.documents(PASSAGES[::-1])))
    assert [place for place, _ in ranking] == ["1", "0"]


async def test_a_function_blocks_its_own_thread_and_no_event_loop() -> None:
    threads = set()

    def slow(pairs: Sequence[tuple[str, str]]) -> list[float]:
        threads.add(threading.get_ident())
        time.sleep(0.01)
        return lengths(pairs)

    async with Scorer.from_function(slow) as scorer:
        await asyncio.gather(*(scorer.ascore("q", PASSAGES) for _ in range(5)))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_function_may_run_on_several_threads() -> None:
    both = threading.Barrier(2, timeout=60)

    def together(pairs: Sequence[tuple[str, str]]) -> list[float]:
        both.wait()
        return lengths(pairs)

    with Scorer.from_function(together, threads=2) as scorer, ThreadPoolExecutor(2) as pool:
        for answer in [pool.submit(scorer.score, "q", PASSAGES) for _ in range(2)]:
            assert answer.result(60).tolist() == [16.0, 5.0]


def test_first_calls_at_once_share_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    both, threads = threading.Barrier(2, timeout=60), set()

    class AtOnce(ThreadPoolExecutor):
        def __init__(self, *args: Any, **options: Any) -> None:
            both.wait()
            super().__init__(*args, **options)

    def noted(pairs: Sequence[tuple[str, str]]) -> list[float]:
        threads.add(threading.get_ident())
        return lengths(pairs)

    with Scorer.from_function(noted) as scorer, ThreadPoolExecutor(2) as callers:
        monkeypatch.setattr(contract, "ThreadPoolExecutor", AtOnce)
        for answer in [callers.submit(scorer.score, "q", PASSAGES) for _ in range(2)]:
            assert answer.result(60).tolist() == [16.0, 5.0]
    assert len(threads) == 1


def test_what_a_function_does_wrong_reaches_the_caller() -> None:
    def fails(pairs: Sequence[tuple[str, str]]) -> list[float]:
        raise ZeroDivisionError

    with Scorer.from_function(fails) as scorer, pytest.raises(ZeroDivisionError):
        scorer.score("q", PASSAGES)
    short = Scorer.from_function(lambda pairs: [1.0])
    with short, pytest.raises(ScoringError, match="one logit per pair"):
        short.score("q", PASSAGES)
    for bad in ({"function": "lengths"}, {"function": lengths, "threads": 0}):
        with pytest.raises(InvalidInputError, match=r"takes a function|threads must be > 0"):
            Scorer.from_function(**bad)


def test_a_scorer_of_a_function_is_pickled_closed_and_forked() -> None:
    scorer = Scorer.from_function(lengths, threads=2)
    assert scorer.score("q", PASSAGES).tolist() == [16.0, 5.0]
    copied = pickle.loads(pickle.dumps(scorer))
    with forked_process() as process:
        assert process.submit(copied.score, "q", PASSAGES).result(60).tolist() == [16.0, 5.0]
    scorer.close()
    scorer.close()
    with pytest.raises(ScorerClosedError, match="'lengths' is closed"):
        scorer.score("q", PASSAGES)
    with copied:
        assert copied.score("q", PASSAGES).tolist() == [16.0, 5.0]


class NeverScorer(Scorer):
    """Never answers; notes what is cancelled."""

    def __init__(self) -> None:
        self.futures: list[Future[PairScores]] = []

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        self.futures.append(Future())
        return self.futures[-1]


CALLS: dict[str, Callable[[Scorer, float], object]] = {
    "score": lambda scorer, seconds: scorer.score("q", PASSAGES, timeout=seconds),
    "score_pairs": lambda scorer, seconds: scorer.score_pairs([("q", "a")], timeout=seconds),
    "ascore": lambda scorer, seconds: scorer.ascore("q", PASSAGES, timeout=seconds),
    "ascore_pairs": lambda scorer, seconds: scorer.ascore_pairs([("q", "a")], timeout=seconds),
    "rank": lambda scorer, seconds: Reranker(scorer).rank("q", PASSAGES, timeout=seconds),
    "rank_many": lambda scorer, seconds: Reranker(scorer).rank_many(
        ["q"], [PASSAGES], timeout=seconds
    ),
    "arank": lambda scorer, seconds: Reranker(scorer).arank("q", PASSAGES, timeout=seconds),
    "arank_many": lambda scorer, seconds: Reranker(scorer).arank_many(
        ["q"], [PASSAGES], timeout=seconds
    ),
    "reranker's score_pairs": lambda scorer, seconds: Reranker(scorer).score_pairs(
        [("q", "a")], timeout=seconds
    ),
    "reranker's ascore_pairs": lambda scorer, seconds: Reranker(scorer).ascore_pairs(
        [("q", "a")], timeout=seconds
    ),
}


async def called(call: str, scorer: Scorer, seconds: float) -> object:
    result = CALLS[call](scorer, seconds)
    return await result if inspect.isawaitable(result) else result


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_has_a_time_limit_of_its_own_with_any_scorer(call: str) -> None:
    scorer = NeverScorer()
    with pytest.raises(ScoringTimeoutError, match=r"by 'NeverScorer' within timeout=0\.01 seconds"):
        await called(call, scorer, 0.01)
    assert scorer.futures[0].cancelled()
    for wrong in (0, "soon"):
        with pytest.raises(InvalidInputError, match="timeout must be a number of seconds > 0"):
            await called(call, scorer, wrong)
    assert len(scorer.futures) == 1


@pytest.mark.parametrize("call", CALLS)
async def test_the_time_limit_of_a_call_takes_the_place_of_the_scorers(call: str) -> None:
    with CrossEncoderScorer("embedded", timeout=1e-6) as scorer:
        await called(call, scorer, 300.0)
    with (
        CrossEncoderScorer("embedded") as scorer,
        pytest.raises(ScoringTimeoutError, match="of them still waited"),
    ):
        await called(call, scorer, 1e-6)


async def test_a_timeout_that_the_scorer_itself_raises_stays_what_it_is() -> None:
    def fails(pairs: Sequence[tuple[str, str]]) -> list[float]:
        message = "the socket timed out"
        raise TimeoutError(message)

    with Scorer.from_function(fails) as scorer:
        for call in ("score", "ascore"):
            with pytest.raises(TimeoutError, match="the socket timed out") as caught:
                await called(call, scorer, 300.0)
            assert not isinstance(caught.value, ScoringTimeoutError)


async def test_without_passages_no_scorer_is_asked_and_no_model_is_loaded() -> None:
    with CrossEncoderScorer("no/such-model", local_files_only=True) as scorer:
        for scores in (
            scorer.score("q", []),
            scorer.score_pairs([]),
            await scorer.ascore("q", []),
            await scorer.ascore_pairs([]),
        ):
            assert (scores.shape, scores.dtype) == ((0,), np.float32)
        with pytest.raises(InvalidInputError):
            scorer.score(None, [])


async def test_async_with_closes_a_scorer_without_blocking_the_loop() -> None:
    threads = []

    class Closing(DeterministicScorer):
        def close(self) -> None:
            threads.append(threading.get_ident())
            super().close()

    async with Closing() as scorer:
        assert (await scorer.ascore("q", ["q"])).tolist() == [4.0]
    assert scorer.closed
    assert threads != [threading.get_ident()]
    async with CrossEncoderScorer("embedded") as loaded:
        assert (await loaded.aplan()) == loaded.plan()
    with pytest.raises(ScorerClosedError):
        loaded.score("q", ["a"])
