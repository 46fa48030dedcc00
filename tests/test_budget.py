"""A time budget: what is scored, in which order, and that nothing is scored after its end."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    PairScores,
    QueueFullError,
    Scorer,
    ScoringError,
    ScoringTimeoutError,
)
from rerank_plugins.backends.contract import PairOptions
from rerank_plugins.engine.budgeted import SLICE
from rerank_plugins.engine.engine import Engine
from rerank_plugins.engine.requests import Request
from rerank_plugins.scoring.answers import aanswer, answer
from rerank_plugins.scoring.slices import Slices
from rerank_plugins.testing import DeterministicScorer, SlowScorer
from tests.engines import PATIENCE, PLAIN, engine, scores, until
from tests.number_backend import POISON, NumberBackend, Pair, numbers, some_pairs

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


class Answering(Scorer):
    """Answers with what it was made with, or raises it."""

    def __init__(self, given: Any) -> None:
        self._given = given

    def submit(self, pairs: Sequence[Pair]) -> "Future[PairScores]":
        future: Future[PairScores] = Future()
        if isinstance(self._given, Exception):
            future.set_exception(self._given)
        else:
            future.set_result(self._given)
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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("blocking", [False, True])
def test_a_slow_scorer_stops_at_the_end_of_the_budget(way: str, blocking: bool) -> None:
    pairs = some_pairs("q", 1000)
    with SlowScorer(0.002, lambda q, p: 1.0, blocking=blocking) as scorer:
        scores = WAYS[way](scorer, pairs, deadline=within(1))
        assert scores.scored is not None
        count = int(scores.scored.sum())
        assert 0 < count < 1000
        assert scores.scored[:count].all()
        at_the_end = len(scorer.scored)
    assert len(scorer.scored) <= at_the_end + 1  # the pair that was under way
    assert scorer.scored[:count] == pairs[:count]
    assert max(map(len, scorer.calls)) > 4  # slices grow


def test_a_slow_scorer_answers_like_a_fast_one_in_its_own_time() -> None:
    pairs = some_pairs("q", 20)
    with SlowScorer(0) as slow:
        np.testing.assert_array_equal(
            slow.score_pairs(pairs), DeterministicScorer().score_pairs(pairs)
        )
        assert slow.scored == pairs
    assert slow.closed

    def fails(query: str, passage: str) -> float:
        raise ZeroDivisionError

    with SlowScorer(0, fails) as broken, pytest.raises(ZeroDivisionError):
        broken.score_pairs(pairs)


@pytest.mark.parametrize("seconds", [-1, "fast", None, float("nan"), float("inf"), True])
def test_a_slow_scorer_takes_a_number_of_seconds(seconds: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"seconds_per_pair must be .* SlowScorer\(0.01\)"):
        SlowScorer(seconds)


def test_a_scorer_whose_pace_leaves_no_time_for_a_pair_is_not_asked_again() -> None:
    slices = Slices(some_pairs("q", 100), deadline=10.0)
    assert len(slices.next(0.0)) == 1
    slices.put(PairScores([1.0]), 3.0)  # three seconds for a pair
    assert len(slices.next(3.0)) == 2
    slices.put(PairScores([1.0, 1.0]), 9.0)
    assert not slices.next(9.0)
    assert slices.scores().scored.tolist() == [True] * 3 + [False] * 97


def test_a_scorer_is_asked_for_a_pair_while_nothing_is_scored() -> None:
    none = PairScores([np.nan], scored=[False])
    slices = Slices(some_pairs("q", 100), deadline=10.0)
    slices.next(0.0)
    slices.put(none, 9.0)
    assert len(slices.next(9.0)) == 1
    slices.put(none, 10.0)
    assert not slices.next(10.0)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_scorer_of_ones_own_gives_is_checked_slice_by_slice(way: str) -> None:
    for bad, told in ((PairScores([1.0] * 9), "one logit per pair"), ([1.0], "must give")):
        with pytest.raises(ScoringError, match=told):
            WAYS[way](Answering(bad), some_pairs("q", 3), deadline=within(LONG))
    with pytest.raises(ScoringError, match="nan for query 'q'"):
        WAYS[way](Answering(PairScores([np.nan])), some_pairs("q", 3), deadline=within(LONG))


@pytest.mark.parametrize("way", WAYS)
def test_a_scorers_own_timeout_error_is_not_taken_for_the_end(way: str) -> None:
    with pytest.raises(TimeoutError, match="its own"):
        WAYS[way](Answering(TimeoutError("its own")), some_pairs("q", 3), deadline=within(LONG))


def test_what_has_no_score_need_not_be_finite() -> None:
    scorer = Answering(PairScores([1.0, np.nan], [True, True], [True, False]))
    scores = answer(scorer, some_pairs("q", 2))
    assert scores.scored is not None
    assert scorer.statistics.pairs == scorer.statistics.truncated == 1


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


def budgeted(
    name: str, size: int, seconds: float, timeout: float | None = None, **options: Any
) -> Request:
    """A request whose time budget begins now."""
    return Request(
        some_pairs(name, size), PLAIN, deadline=within(seconds), timeout=timeout, **options
    )


def mask(future: "Future[PairScores]") -> list[bool]:
    """Which pairs got a score; the others must have none."""
    scores = future.result(PATIENCE)
    scored = np.ones(len(scores.logits), np.bool_) if scores.scored is None else scores.scored
    np.testing.assert_array_equal(np.isnan(scores.logits), ~scored)
    return [bool(each) for each in scored]


def end(subject: Engine, request: Request, *, fails: bool = False) -> None:
    """Ends the time budget now, or the time until the timeout, however busy the machine is."""
    with subject._changed:
        setattr(request, "fails_at" if fails else "deadline", time.monotonic())
        subject._changed.notify_all()


def run(backend: NumberBackend, name: str) -> list[str]:
    """The passages of a request that were scored, in the order of their batches."""
    return [passage for batch in backend.batches for query, passage in batch if query == name]


def test_a_request_waits_for_the_batch_that_is_running_and_nothing_is_run_after_it() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        request = budgeted("q", 100, LONG)
        subject.submit(request)
        first = backend.begun.get(timeout=PATIENCE)
        end(subject, request)
        time.sleep(0.05)
        assert not request.done()
        gate.release()
        assert mask(request) == [True] * len(first) + [False] * (100 - len(first))
        backend.open_gate()
        scores(subject.submit(Request(some_pairs("after", 30), PLAIN)))
    assert run(backend, "q") == [passage for _, passage in first]
    assert first == some_pairs("q", 100)[: len(first)]


def test_a_request_without_a_running_batch_is_done_at_its_deadline() -> None:
    backend = NumberBackend(gate=threading.Semaphore(0))
    with engine(backend) as subject:
        other = subject.submit(Request(some_pairs("other", 5), PLAIN))
        backend.begun.get(timeout=PATIENCE)
        assert mask(subject.submit(budgeted("q", 100, 0.05))) == [False] * 100
        assert not other.done()
        backend.open_gate()
        assert scores(other).shape == (5,)
    assert run(backend, "q") == []
    assert subject._room.pairs == 0


def test_with_time_for_everything_everything_is_scored() -> None:
    pairs = some_pairs("q", 700)
    with engine(NumberBackend()) as subject:
        done = subject.submit(Request(pairs, PLAIN, deadline=within(LONG))).result(PATIENCE)
    assert done.scored is None
    np.testing.assert_array_equal(done.logits, numbers(pairs))
    assert done.truncated is not None


def test_a_model_that_is_still_loading_counts_as_time_and_is_ready_for_the_next() -> None:
    begun, go_on = threading.Event(), threading.Event()
    loads = []

    def load() -> NumberBackend:
        loads.append(1)
        begun.set()
        go_on.wait(PATIENCE)
        return NumberBackend()

    subject = Engine("numbers", [load])
    hasty = subject.submit(budgeted("hasty", 10, 0.05))
    assert mask(hasty) == [False] * 10
    assert begun.wait(PATIENCE)
    go_on.set()
    assert all(mask(subject.submit(budgeted("patient", 10, LONG))))
    subject.close(wait=True)
    assert len(loads) == 1


def test_a_model_that_cannot_be_loaded_in_time_still_fails() -> None:
    def load() -> NumberBackend:
        message = "no network"
        raise OSError(message)

    subject = Engine("numbers", [load])
    with pytest.raises(OSError, match="no network"):
        subject.submit(budgeted("q", 10, LONG)).result(PATIENCE)
    subject.close(wait=True)


def test_the_first_to_end_of_timeout_and_budget_decides() -> None:
    backend = NumberBackend(gate=threading.Semaphore(0))
    with engine(backend) as subject:
        other = subject.submit(Request(some_pairs("other", 5), PLAIN))
        backend.begun.get(timeout=PATIENCE)
        with pytest.raises(ScoringTimeoutError, match=r"100 pairs.*timeout=0\.05 seconds"):
            subject.submit(budgeted("fails", 100, LONG, 0.05)).result(PATIENCE)
        assert not any(mask(subject.submit(budgeted("q", 100, 0.05, LONG))))
        backend.open_gate()
        scores(other)


def test_a_timeout_is_kept_while_the_running_batch_is_waited_for() -> None:
    backend = NumberBackend(gate=threading.Semaphore(0))
    with engine(backend) as subject:
        request = budgeted("q", 100, LONG, 2 * LONG)
        subject.submit(request)
        backend.begun.get(timeout=PATIENCE)
        end(subject, request)
        end(subject, request, fails=True)
        with pytest.raises(ScoringTimeoutError, match="100 pairs"):
            request.result(PATIENCE)
        backend.open_gate()


def test_a_cancelled_request_ends_its_work_before_its_budget() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        future = subject.submit(budgeted("q", 100, LONG))
        first = backend.begun.get(timeout=PATIENCE)
        assert future.cancel()
        backend.open_gate()
        scores(subject.submit(Request(some_pairs("after", 3), PLAIN)))
    assert len(run(backend, "q")) == len(first)
    assert subject._room.pairs == 0


def test_copies_of_a_pair_have_its_score_or_none() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    others = some_pairs("q", 50)
    pairs = [pair for other in others for pair in (other, others[0])] + others[40:]
    with engine(backend) as subject:
        request = Request(pairs, PLAIN, deadline=within(LONG))
        subject.submit(request)
        first = backend.begun.get(timeout=PATIENCE)
        end(subject, request)
        gate.release()
        assert mask(request) == [pair in first for pair in pairs]
        assert others[0] in first
        assert others[49] not in first
        backend.open_gate()
    assert subject._room.pairs == 0


def test_the_budget_goes_on_while_a_request_waits_for_room() -> None:
    backend = NumberBackend(gate=threading.Semaphore(0))
    with engine(backend) as subject:
        first = subject.submit(Request(some_pairs("first", 30), PLAIN))
        backend.begun.get(timeout=PATIENCE)
        waits = subject.submit(budgeted("waits", 40, 0.05, max_queue_pairs=40), wait=True)
        behind = Request(some_pairs("behind", 10), PLAIN, max_queue_pairs=40)
        subject.submit(behind, wait=True)
        assert not any(mask(waits))
        with pytest.raises(QueueFullError, match="40 pairs wait, and 40 more"):
            subject.submit(budgeted("refused", 40, LONG, max_queue_pairs=40))
        backend.open_gate()
        assert scores(first).shape == (30,)
        assert scores(behind).shape == (10,)
    assert run(backend, "waits") == []
    assert subject._room.pairs == 0


def test_closing_finishes_what_has_a_budget_too() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    subject = Engine("numbers", [lambda: backend])
    patient = subject.submit(budgeted("patient", 40, LONG))
    hasty = subject.submit(budgeted("hasty", 40, 0.05))
    subject.close(wait=False)
    backend.open_gate()
    subject.close(wait=True)
    assert all(mask(patient))
    assert len(mask(hasty)) == 40
    assert not subject.backends


def test_a_bad_pair_fails_its_own_request_with_a_budget_too() -> None:
    with engine(NumberBackend()) as subject:
        poisoned = subject.submit(Request([("q", POISON)], PLAIN, deadline=within(LONG)))
        untokenizable = subject.submit(Request([("q", "no tokens")], PLAIN, deadline=within(LONG)))
        fine = subject.submit(budgeted("fine", 30, LONG))
        for future, told in ((poisoned, "poisoned batch"), (untokenizable, "cannot be tokenized")):
            with pytest.raises(ScoringError, match=told):
                future.result(PATIENCE)
        assert all(mask(fine))


def test_a_budget_is_kept_beside_a_long_request_and_neither_starves() -> None:
    backend = NumberBackend()
    with engine(backend) as subject:
        bulk = subject.submit(Request(some_pairs("bulk", 5_000), PLAIN))
        until(lambda: len(backend.batches) > 3)
        small = subject.submit(budgeted("small", 50, LONG))
        assert all(mask(small))
        assert scores(bulk).shape == (5_000,)
    last = max(n for n, batch in enumerate(backend.batches) if batch[0][0] == "small")
    assert last < len(backend.batches) - 1
    assert len(run(backend, "bulk")) == 5_000


def test_all_devices_work_for_a_request_with_a_budget() -> None:
    gate = threading.Semaphore(0)
    backends = [NumberBackend(gate=gate) for _ in range(2)]
    with engine(*backends) as subject:
        future = subject.submit(budgeted("q", 300, LONG))
        for backend in backends:
            backend.begun.get(timeout=PATIENCE)
        gate.release(1000)
        assert all(mask(future))


def test_a_request_without_pairs_is_done_when_the_model_is_loaded() -> None:
    with engine(NumberBackend()) as subject:
        assert scores(subject.submit(Request((), PLAIN, deadline=within(LONG)))).shape == (0,)


async def test_many_callers_of_a_loop_all_get_their_share_in_time() -> None:
    class Slow(NumberBackend):
        def logits(self, inputs: Sequence[Pair], options: PairOptions) -> NDArray[np.float32]:
            time.sleep(0.002 * len(inputs))
            return super().logits(inputs, options)

    backend = Slow()
    with engine(backend) as subject:
        asked = [subject.submit(budgeted(f"q{n}", 100, 1.0)) for n in range(8)]
        answers = await asyncio.gather(*map(asyncio.wrap_future, asked))
        depths = [int(answer.scored.sum()) for answer in answers if answer.scored is not None]
        done = sum(map(len, backend.batches))
        scores(subject.submit(Request(some_pairs("after", 3), PLAIN)))
        assert sum(map(len, backend.batches)) == done + 3
    assert len(depths) == 8  # 800 pairs take longer
    assert min(depths) > 0
    assert max(depths) - min(depths) <= SLICE + max(depths) // 4
    for n, depth in enumerate(depths):
        assert len(run(backend, f"q{n}")) == depth


plans = st.lists(
    st.tuples(
        st.sampled_from(["fine", "fine", "fine", "poisoned", "cancelled"]),
        st.one_of(st.integers(0, 40), st.integers(200, 400)),
        st.sampled_from([None, 0.0, 0.001, 0.02, LONG]),
    ),
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(plans, st.integers(1, 2), st.sampled_from([None, 60]))
def test_whoever_has_a_budget_gets_right_scores_or_none_and_never_an_error_for_time(
    plan: list[tuple[str, int, float | None]], devices: int, memory: int | None
) -> None:
    backends = [NumberBackend(memory=memory) for _ in range(devices)]
    with engine(*backends) as subject:
        asked = []
        for number, (kind, size, budget) in enumerate(plan):
            pairs = some_pairs(f"r{number}", size)
            pairs += [(f"r{number}", POISON)] if kind == "poisoned" else []
            deadline = None if budget is None else within(budget)
            asked.append((kind, pairs, subject.submit(Request(pairs, PLAIN, deadline=deadline))))
            if kind == "cancelled":
                asked[-1][2].cancel()
        for kind, pairs, future in asked:
            wait([future], PATIENCE)
            if future.cancelled():
                continue
            if kind == "poisoned" and future.exception(0):
                with pytest.raises(ScoringError, match="poisoned batch"):
                    future.result(0)
                continue
            scored = np.array(mask(future), dtype=np.bool_)
            np.testing.assert_array_equal(future.result(0).logits[scored], numbers(pairs)[scored])
        late = subject.submit(Request(some_pairs("after", 3), PLAIN))
        np.testing.assert_array_equal(scores(late), numbers(some_pairs("after", 3)))
    assert subject._room.pairs == 0
    assert not subject._turns._budgeted
