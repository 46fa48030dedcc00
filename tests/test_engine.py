"""The engine's promises, on a backend without a model: who gets what, and what goes wrong."""

import asyncio
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rerank_plugins import (
    LabelRequiredError,
    PairScores,
    QueueFullError,
    ScorerClosedError,
    ScoringError,
    ScoringTimeoutError,
)
from rerank_plugins.backends.contract import PairOptions, Prepared
from rerank_plugins.engine.batch_runner import FITTING
from rerank_plugins.engine.engine import Engine
from rerank_plugins.engine.out_of_memory import is_out_of_memory
from rerank_plugins.engine.requests import Item, Request
from rerank_plugins.engine.schedule import SLICE
from rerank_plugins.tokens.windows import ALL_WINDOWS
from tests.engines import PATIENCE, PLAIN, engine, own_threads, scores, until
from tests.number_backend import POISON, NumberBackend, Pair, numbers, some_pairs


def lying_ready(subject: Engine, *requests: "Future[PairScores]") -> int:
    """How many tokenized pairs of these wait for a batch."""
    lanes = (subject._turns._others._short, subject._turns._others._long)
    with subject._changed:
        items = [item for lane in lanes for item in (*lane.ready, *lane.next)]
    return sum(item.request in requests for item in items)


def test_a_request_that_comes_as_the_only_one_before_was_cancelled_is_scored() -> None:
    first: list[Future[PairScores]] = []
    late: list[Future[PairScores]] = []

    class Interrupted(Engine):
        def _work(self, number: int) -> None:
            first[0].cancel()
            super()._work(number)

        def _next_batch(self, number: int) -> list[Item]:
            if not late:
                late.append(self.submit(Request(some_pairs("late", 3), PLAIN)))
            return super()._next_batch(number)

    subject = Interrupted("numbers", [NumberBackend])
    with subject._changed:  # the worker begins, finds nothing open any more, and loads no model
        first.append(subject.submit(Request(some_pairs("first", 3), PLAIN)))
    until(lambda: bool(late))
    np.testing.assert_array_equal(scores(late[0]), numbers(some_pairs("late", 3)))
    subject.close(wait=True)


kinds = st.sampled_from(["fine", "fine", "fine", "poisoned", "untokenizable", "cancelled"])
options = st.sampled_from([PLAIN, PLAIN, PairOptions(max_batch_tokens=40), PairOptions(label=1)])
requests = st.lists(
    st.tuples(kinds, st.one_of(st.integers(0, 30), st.integers(SLICE, 700)), options), max_size=10
)


@settings(max_examples=40, deadline=None)
@given(requests, st.integers(1, 3), st.integers(1, 4), st.sampled_from([None, 60]))
def test_every_pair_gets_its_own_score_whatever_happens_to_its_neighbours(
    plan: list[tuple[str, int, PairOptions]], workers: int, callers: int, memory: int | None
) -> None:
    backends = [NumberBackend(memory=memory) for _ in range(workers)]

    def pairs_of(number: int) -> list[Pair]:
        kind, size, _ = plan[number]
        pairs = [(f"r{number}", f"{n} {'x ' * (n * 7 % 11)}") for n in range(size)]
        word = {"poisoned": POISON, "untokenizable": "no tokens"}.get(kind)
        return [*pairs, (f"r{number}", word)] if word else pairs

    with engine(*backends) as subject, ThreadPoolExecutor(callers) as pool:

        def call(number: int) -> "Future[PairScores]":
            future = subject.submit(Request(pairs_of(number), plan[number][2]))
            if plan[number][0] == "cancelled":
                future.cancel()
            return future

        futures = list(pool.map(call, range(len(plan))))
        wait(futures, PATIENCE)
        for number, future in enumerate(futures):
            kind = plan[number][0]
            if kind == "poisoned":
                with pytest.raises(ScoringError, match="poisoned batch"):
                    future.result(0)
            elif kind == "untokenizable":
                with pytest.raises(ScoringError, match="cannot be tokenized"):
                    future.result(0)
            elif not future.cancelled():
                np.testing.assert_array_equal(scores(future), numbers(pairs_of(number)))
        after = subject.submit(Request(some_pairs("after", 3), PLAIN))
        np.testing.assert_array_equal(scores(after), numbers(some_pairs("after", 3)))
    assert subject._room.pairs == 0


def test_pairs_of_different_callers_share_a_batch() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        futures = [subject.submit(Request(some_pairs("first", 1), PLAIN))]
        backend.begun.get(timeout=PATIENCE)
        futures += [
            subject.submit(Request(some_pairs(f"r{n}", 2), PLAIN, progress_bar=n == 1))
            for n in range(3)
        ]
        until(lambda: lying_ready(subject, *futures) == 6)
        backend.open_gate()
        for future in futures:
            scores(future)
    assert [{query for query, _ in batch} for batch in backend.batches] == [
        {"first"},
        {"r0", "r1", "r2"},
    ]


def test_ten_passages_do_not_wait_for_ten_thousand() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        bulk = subject.submit(Request(some_pairs("bulk", 10_000), PLAIN))
        for _ in range(20):  # batches into the bulk job
            backend.begun.get(timeout=PATIENCE)
            gate.release()
        backend.begun.get(timeout=PATIENCE)
        small = subject.submit(Request(some_pairs("small", 10), PLAIN))
        until(lambda: lying_ready(subject, small) == 10)
        gate.release(2)  # the batch under way, and the next
        np.testing.assert_array_equal(scores(small), numbers(some_pairs("small", 10)))
        assert not bulk.done()
        backend.open_gate()
        np.testing.assert_array_equal(scores(bulk), numbers(some_pairs("bulk", 10_000)))


def test_tokenizing_goes_on_while_a_batch_is_run() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        future = subject.submit(Request(some_pairs("bulk", 3 * SLICE), PLAIN))
        backend.begun.get(timeout=PATIENCE)
        until(lambda: backend.prepared == 3 * SLICE)
        assert not backend.batches
        backend.open_gate()
        scores(future)


def test_what_was_cut_is_reported_pair_by_pair() -> None:
    pairs = [("q", "x " * (1 + n % 9)) for n in range(600)]
    with engine(NumberBackend()) as subject:
        future = subject.submit(Request(pairs, PairOptions(max_length=6)))
        truncated = future.result(PATIENCE).truncated
    assert truncated is not None
    assert truncated.tolist() == [1 + 1 + n % 9 > 6 for n in range(600)]


def test_no_pairs_still_check_the_options() -> None:
    with engine(NumberBackend()) as subject:
        assert scores(subject.submit(Request((), PLAIN))).shape == (0,)
        with pytest.raises(LabelRequiredError):
            subject.submit(Request((), PairOptions(label="missing"))).result(PATIENCE)


def test_a_full_queue_answers_at_once_and_takes_pairs_again_when_there_is_room() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        first = subject.submit(Request(some_pairs("alone", 500), PLAIN, max_queue_pairs=300))
        assert scores(subject.submit(Request([], PLAIN, max_queue_pairs=1))).shape == (0,)
        with pytest.raises(QueueFullError, match=r"500 pairs wait.*raise max_queue_pairs"):
            subject.submit(Request(some_pairs("more", 10), PLAIN, max_queue_pairs=300))
        subject.submit(Request((), PLAIN, max_queue_pairs=500)).result(PATIENCE)
        first.cancel()
        second = subject.submit(Request(some_pairs("more", 10), PLAIN, max_queue_pairs=300))
        backend.open_gate()
        scores(second)


def lined_up(subject: Engine, *sizes: int, limit: int) -> "list[Future[PairScores]]":
    """Requests of these sizes, in this order, that wait for room if there is none."""
    return [
        subject.submit(
            Request(some_pairs(f"waits{n}", size), PLAIN, max_queue_pairs=limit), wait=True
        )
        for n, size in enumerate(sizes)
    ]


def test_requests_that_wait_for_room_enter_in_their_order() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate, budget=25)
    with engine(backend) as subject:
        bulk = subject.submit(Request(some_pairs("bulk", 40), PLAIN))
        waiting = lined_up(subject, 30, 5, 20, 5, limit=40)  # the 5 do not pass the 30
        with pytest.raises(QueueFullError, match="100 pairs wait, and 1 more exceed"):
            subject.submit(Request(some_pairs("refused", 1), PLAIN, max_queue_pairs=40))
        assert lying_ready(subject, *waiting) == 0
        backend.open_gate()
        np.testing.assert_array_equal(scores(bulk), numbers(some_pairs("bulk", 40)))
        for n, (future, size) in enumerate(zip(waiting, (30, 5, 20, 5), strict=True)):
            np.testing.assert_array_equal(scores(future), numbers(some_pairs(f"waits{n}", size)))
    order = [query for batch in backend.batches for query, _ in batch]
    assert order == sorted(order)
    assert subject._room.pairs == 0


def test_a_request_that_never_fits_waits_for_an_empty_queue() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        first = subject.submit(Request(some_pairs("first", 30), PLAIN))
        huge, small = lined_up(subject, 1000, 5, limit=40)
        backend.begun.get(timeout=PATIENCE)
        gate.release()
        backend.begun.get(timeout=PATIENCE)
        assert lying_ready(subject, huge, small) == 0  # ten pairs are left of the first
        backend.open_gate()
        for future, size in ((first, 30), (huge, 1000), (small, 5)):
            assert scores(future).shape == (size,)


def test_a_waiting_request_that_is_cancelled_leaves_the_line() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        first = subject.submit(Request(some_pairs("first", 30), PLAIN))
        huge, small = lined_up(subject, 35, 5, limit=40)
        backend.begun.get(timeout=PATIENCE)
        assert lying_ready(subject, small) == 0
        huge.cancel()
        until(lambda: lying_ready(subject, small) == 5)
        backend.open_gate()
        for future, size in ((first, 30), (small, 5)):
            assert scores(future).shape == (size,)
    assert all(len(query) == 5 or query == "waits1" for b in backend.batches for query, _ in b)
    assert subject._room.pairs == 0


def test_a_timeout_is_kept_while_a_request_waits_for_room() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        first = subject.submit(Request(some_pairs("first", 30), PLAIN))
        hasty = Request(some_pairs("hasty", 40), PLAIN, timeout=0.05, max_queue_pairs=40)
        subject.submit(hasty, wait=True)
        (patient,) = lined_up(subject, 10, limit=40)
        with pytest.raises(ScoringTimeoutError, match=r"40 pairs.*timeout=0\.05 seconds; 40 of"):
            hasty.result(PATIENCE)
        until(lambda: lying_ready(subject, patient) == 10)
        backend.open_gate()
        assert scores(first).shape == (30,)
        assert scores(patient).shape == (10,)


def test_closing_finishes_the_requests_that_wait_for_room() -> None:
    backend = NumberBackend(gate=threading.Semaphore(0))
    subject = Engine("numbers", [lambda: backend])
    first = subject.submit(Request(some_pairs("first", 30), PLAIN))
    waiting = lined_up(subject, 20, 20, limit=30)
    subject.close(wait=False)
    with pytest.raises(ScorerClosedError):
        lined_up(subject, 1, limit=30)
    backend.open_gate()
    subject.close(wait=True)
    assert [len(future.result(0).logits) for future in (first, *waiting)] == [30, 20, 20]


def test_requests_that_wait_for_room_fail_with_a_model_that_cannot_be_loaded() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def load() -> NumberBackend:
        begun.set()
        go_on.wait(PATIENCE)
        message = "no network"
        raise OSError(message)

    subject = Engine("numbers", [load])
    first = subject.submit(Request(some_pairs("first", 30), PLAIN))
    begun.wait(PATIENCE)
    waiting = lined_up(subject, 20, 20, limit=30)
    go_on.set()
    for future in (first, *waiting):
        with pytest.raises(OSError, match="no network"):
            future.result(PATIENCE)
    subject.close(wait=True)
    assert subject._room.pairs == 0


def test_cancelling_frees_the_work_not_yet_started() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        bulk = subject.submit(Request(some_pairs("bulk", 10_000), PLAIN))
        backend.begun.get(timeout=PATIENCE)
        assert bulk.cancel()
        assert wait([bulk], PATIENCE).done == {bulk}
        with pytest.raises(CancelledError):
            bulk.result(0)
        small = subject.submit(Request(some_pairs("small", 3), PLAIN))
        backend.open_gate()
        scores(small)
    assert len(backend.batches) == 2


async def test_cancelling_a_task_frees_its_work_too() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:

        async def score() -> None:
            await asyncio.wrap_future(subject.submit(Request(some_pairs("bulk", 10_000), PLAIN)))

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(score(), 0.05)
        backend.open_gate()
        small = asyncio.wrap_future(subject.submit(Request(some_pairs("small", 3), PLAIN)))
        assert (await small).logits.shape == (3,)
    assert len(backend.batches) <= 2


def test_a_timeout_fails_its_request_while_the_others_go_on() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        patient = subject.submit(Request(some_pairs("patient", 300), PLAIN))
        hasty = subject.submit(Request(some_pairs("hasty", 300), PLAIN, timeout=0.05))
        with pytest.raises(ScoringTimeoutError, match=r"300 pairs.*timeout=0\.05 seconds"):
            hasty.result(PATIENCE)
        backend.open_gate()
        np.testing.assert_array_equal(scores(patient), numbers(some_pairs("patient", 300)))


def test_a_timeout_covers_loading() -> None:
    slow = threading.Event()

    def load() -> NumberBackend:
        slow.wait(PATIENCE)
        return NumberBackend()

    subject = Engine("numbers", [load])
    with pytest.raises(TimeoutError, match="warm_up"):
        subject.submit(Request(some_pairs("q", 1), PLAIN, timeout=0.05)).result(PATIENCE)
    slow.set()
    subject.close(wait=True)


def test_one_poisonous_pair_fails_its_own_request_only() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        first = subject.submit(Request(some_pairs("first", 1), PLAIN))
        backend.begun.get(timeout=PATIENCE)
        before = subject.submit(Request(some_pairs("before", 2, 3), PLAIN))
        poisoned = subject.submit(Request([("q", f"{POISON} x")], PLAIN))
        behind = subject.submit(Request(some_pairs("behind", 2, 3), PLAIN))
        until(lambda: lying_ready(subject, before, poisoned, behind) == 5)
        backend.open_gate()
        for future, size in ((before, 2), (behind, 2), (first, 1)):
            assert scores(future).shape == (size,)
        with pytest.raises(ScoringError, match="poisoned batch"):
            poisoned.result(PATIENCE)
    assert len(backend.batches[1]) == 5


def test_a_batch_too_big_for_memory_is_halved_and_later_ones_stay_smaller() -> None:
    backend = NumberBackend(budget=1000, memory=300)
    pairs = some_pairs("q", SLICE, 10)
    with engine(backend) as subject:
        np.testing.assert_array_equal(scores(subject.submit(Request(pairs, PLAIN))), numbers(pairs))
        tried = len(backend.batches)
        np.testing.assert_array_equal(scores(subject.submit(Request(pairs, PLAIN))), numbers(pairs))
    assert max(len(batch) for batch in backend.batches[tried:]) * 10 < 300


def test_bigger_batches_are_tried_again_after_many_that_fit() -> None:
    backend = NumberBackend(budget=1000, memory=300)
    with engine(backend) as subject:
        scores(subject.submit(Request(some_pairs("q", SLICE, 10), PLAIN)))
        backend.memory = None
        scores(subject.submit(Request(some_pairs("r", 25 * 4 * FITTING, 10), PLAIN)))
        scores(subject.submit(Request(some_pairs("s", 1000, 10), PLAIN)))
    assert max(len(batch) for batch in backend.batches[-10:]) == 100


def test_a_pair_too_big_for_memory_fails_alone() -> None:
    with engine(NumberBackend(budget=1000, memory=300)) as subject:
        big = subject.submit(Request([("q", "x " * 400)], PLAIN))
        small = subject.submit(Request(some_pairs("small", 5), PLAIN))
        with pytest.raises(ScoringError, match=r"single pair .*can't allocate.*lower max_length"):
            big.result(PATIENCE)
        scores(small)


class Activations:
    """Stands for what a forward pass holds while it runs."""


def test_a_failed_batch_leaves_nothing_of_its_forward_pass_with_the_error() -> None:
    made: list[weakref.ref[Activations]] = []

    class Forgetful(NumberBackend):
        def logits(self, inputs: Sequence[Pair], options: PairOptions) -> NDArray[np.float32]:
            activations = Activations()
            made.append(weakref.ref(activations))
            return super().logits(inputs, options)

    backend = Forgetful(budget=1000, memory=300)
    with engine(backend) as subject:
        poisoned = subject.submit(Request([("q", POISON)], PLAIN))
        too_big = subject.submit(Request([("q", "x " * 400)], PLAIN))
        errors = [future.exception(PATIENCE) for future in (poisoned, too_big)]
        scores(
            subject.submit(Request(some_pairs("q", 3), PLAIN))
        )  # the worker has left the failed ones
        assert all(errors)
        assert len(made) >= 3
        assert [activations() for activations in made] == [None] * len(made)


@pytest.mark.parametrize("part", ["start_bar", "move_bar"])
def test_a_bar_that_cannot_be_drawn_fails_nobody(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(Request, part, broken)
    pairs = some_pairs("q", 5)
    with engine(NumberBackend()) as subject:
        np.testing.assert_array_equal(scores(subject.submit(Request(pairs, PLAIN))), numbers(pairs))


def test_a_callback_that_would_end_the_process_spares_the_other_callers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = NumberBackend(gate=threading.Semaphore(0))
    with engine(backend) as subject:
        futures = [subject.submit(Request(some_pairs("first", 1), PLAIN))]
        backend.begun.get(timeout=PATIENCE)
        futures += [subject.submit(Request(some_pairs(f"r{n}", 2), PLAIN)) for n in range(3)]
        poisoned = subject.submit(Request([("q", POISON)], PLAIN))
        for future in (futures[1], poisoned):
            future.add_done_callback(lambda _: sys.exit(3))
        until(lambda: lying_ready(subject, *futures, poisoned) == 7)
        backend.open_gate()
        for future, size in zip(futures, (1, 2, 2, 2), strict=True):
            assert scores(future).shape == (size,)
        with pytest.raises(ScoringError, match="poisoned batch"):
            poisoned.result(PATIENCE)
        assert scores(subject.submit(Request(some_pairs("later", 3), PLAIN))).shape == (3,)
    assert caplog.text.count("SystemExit: 3") == 2


def breaking_off(size: int, timeout: float | None = None) -> Request:
    """A request whose `cancel()` is interrupted before the engine hears of it."""
    request = Request(some_pairs("broken", size), PLAIN, timeout=timeout)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    request.add_done_callback(interrupt)  # before the engine's own
    return request


def test_a_request_whose_cancelling_broke_off_holds_up_nothing() -> None:
    loads = []

    def fails() -> NumberBackend:
        loads.append(1)
        message = "no such model"
        raise OSError(message)

    subject = Engine("numbers", [fails])
    with subject._changed:
        broken = subject.submit(breaking_off(3, timeout=0.01))
        with pytest.raises(KeyboardInterrupt):
            broken.cancel()
    with pytest.raises(OSError, match="no such model"):
        scores(subject.submit(Request(some_pairs("q", 3), PLAIN)))
    until(lambda: not subject._open)
    assert len(loads) <= 2
    subject.close(wait=True)
    assert subject._room.pairs == 0


def test_a_request_whose_cancelling_broke_off_makes_room_for_those_that_wait() -> None:
    backend = NumberBackend(gate=threading.Semaphore(0))
    with engine(backend) as subject:
        broken = subject.submit(breaking_off(30))
        (waiting,) = lined_up(subject, 20, limit=30)
        backend.begun.get(timeout=PATIENCE)
        with pytest.raises(KeyboardInterrupt):
            broken.cancel()
        backend.open_gate()
        assert scores(waiting).shape == (20,)


def test_closing_in_the_moment_a_request_is_done_leaves_it_whole() -> None:
    closed = threading.Event()
    backend = NumberBackend(gate=threading.Semaphore(0))
    request = Request(some_pairs("q", 3), PLAIN)
    request.add_done_callback(lambda _: closed.wait(PATIENCE))  # before the engine's own
    with engine(backend) as subject:
        subject.submit(request)
        backend.begun.get(timeout=PATIENCE)
        canceller = threading.Thread(target=request.cancel)
        canceller.start()
        until(request.cancelled)
        subject.close(wait=False)
        closed.set()
        canceller.join(PATIENCE)
        assert wait([request], PATIENCE).done == {request}
        assert request.pairs == ()


def test_two_engines_whose_callbacks_close_each_other_both_end() -> None:
    meeting = threading.Barrier(2, timeout=PATIENCE)
    callers = []

    def closing(other: Engine) -> Callable[[object], None]:
        def close(_: object) -> None:
            callers.append(threading.current_thread())
            meeting.wait()  # each closes the other while that one's thread is in its callback
            other.close(wait=True)

        return close

    backends = [NumberBackend(gate=threading.Semaphore(0)) for _ in range(2)]
    engines = [Engine("numbers", [lambda backend=backend: backend]) for backend in backends]
    futures = [each.submit(Request(some_pairs("q", 3), PLAIN)) for each in engines]
    for future, other in zip(futures, reversed(engines), strict=True):
        future.add_done_callback(closing(other))
    for backend in backends:
        backend.open_gate()
    for each in engines:
        for thread in own_threads(each):
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert not each.backends
    assert len(set(callers) & set.union(*map(own_threads, engines))) == 2


def test_a_process_that_can_start_no_thread_is_told_so_and_may_try_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    pairs = some_pairs("q", 5)
    with engine(NumberBackend()) as subject:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                subject.submit(Request(pairs, PLAIN))
        np.testing.assert_array_equal(scores(subject.submit(Request(pairs, PLAIN))), numbers(pairs))


def test_a_timeout_longer_than_a_clock_can_wait_is_none() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        waits = subject.submit(Request(some_pairs("q", 5), PLAIN, timeout=1e30))
        backend.begun.get(timeout=PATIENCE)
        backend.open_gate()
        assert scores(waits).shape == (5,)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 4096 bytes. Error code 12 (Cannot allocate memory)"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 80 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc"),
        RuntimeError("Failed to allocate memory for requested buffer of size 1073741824"),
        RuntimeError("Available memory of 1024 is smaller than requested bytes of 4096"),
        RuntimeError("Exception from src/plugins/intel_gpu: [GPU] CL_OUT_OF_RESOURCES"),
    ],
    ids=str,
)
def test_the_runtimes_words_for_out_of_memory_are_known(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_other_errors_are_not_taken_for_out_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("index out of range in self"))


def test_a_failed_load_reaches_all_who_wait_and_the_next_request_tries_again() -> None:
    attempts: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def load() -> NumberBackend:
        attempts.append(len(attempts))
        begun.set()
        go_on.wait(PATIENCE)
        if len(attempts) == 1:
            message = "no network"
            raise OSError(message)
        return NumberBackend()

    subject = Engine("numbers", [load])
    waiting = [subject.submit(Request(some_pairs("q", 1), PLAIN)) for _ in range(5)]
    begun.wait(PATIENCE)
    go_on.set()
    for future in waiting:
        with pytest.raises(OSError, match="no network"):
            future.result(PATIENCE)
    assert scores(subject.submit(Request(some_pairs("q", 1), PLAIN))).shape == (1,)
    assert len(attempts) == 2
    subject.close(wait=True)


def test_several_workers_draw_from_one_queue() -> None:
    gate = threading.Semaphore(0)
    backends = [NumberBackend(gate=gate) for _ in range(2)]
    pairs = some_pairs("bulk", 1000)
    with engine(*backends) as subject:
        future = subject.submit(Request(pairs, PLAIN))
        for backend in backends:  # both are at work on the one request
            backend.begun.get(timeout=PATIENCE)
        gate.release(1000)
        np.testing.assert_array_equal(scores(future), numbers(pairs))
    scored = [pair for backend in backends for batch in backend.batches for pair in batch]
    assert sorted(scored) == sorted(pairs)


def test_close_finishes_what_is_queued_and_then_drops_the_backend() -> None:
    subject = Engine("numbers", [NumberBackend])
    futures = [subject.submit(Request(some_pairs(f"r{n}", 600), PLAIN)) for n in range(5)]
    subject.close(wait=True)
    for n, future in enumerate(futures):
        np.testing.assert_array_equal(future.result(0).logits, numbers(some_pairs(f"r{n}", 600)))
    assert subject.backends == []
    with pytest.raises(ScorerClosedError, match="Create a new CrossEncoderScorer"):
        subject.submit(Request(some_pairs("late", 1), PLAIN))
    subject.close(wait=True)


def test_a_model_that_is_still_loading_when_all_is_cancelled_and_closed_is_not_kept() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def load() -> NumberBackend:
        begun.set()
        go_on.wait(PATIENCE)
        return NumberBackend()

    subject = Engine("numbers", [load])
    future = subject.submit(Request(some_pairs("q", 1), PLAIN))
    begun.wait(PATIENCE)
    future.cancel()
    subject.close(wait=False)
    go_on.set()
    subject.close(wait=True)
    assert subject.backends == []


def test_an_error_that_nobody_foresaw_leaves_no_caller_waiting() -> None:
    class Forgetful(NumberBackend):
        def logits(self, inputs: Sequence[Pair], options: PairOptions) -> NDArray[np.float32]:
            return super().logits(inputs, options)[1:]

    with engine(Forgetful()) as subject:
        for _ in range(2):
            with pytest.raises(ValueError, match="shorter"):
                subject.submit(Request(some_pairs("q", 10), PLAIN)).result(PATIENCE)


async def test_requests_of_a_loop_cost_no_thread_each() -> None:
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    with engine(backend) as subject:
        before = threading.enumerate()
        waiting = [
            asyncio.wrap_future(subject.submit(Request(some_pairs(f"r{n}", 5), PLAIN)))
            for n in range(200)
        ]
        await asyncio.to_thread(backend.begun.get, timeout=PATIENCE)
        assert len(own_threads(subject)) == 2
        others = {t for t in threading.enumerate() if not t.name.startswith("rerank-")}
        assert len(others.difference(before)) <= 1  # to_thread's
        backend.open_gate()
        for n, answer in enumerate(await asyncio.gather(*waiting)):
            np.testing.assert_array_equal(answer.logits, numbers(some_pairs(f"r{n}", 5)))


class Rounding(NumberBackend):
    """Gives the pairs of a later batch logits that differ in the last digits, as kernels do."""

    def logits(self, inputs: Sequence[Pair], options: PairOptions) -> NDArray[np.float32]:
        return super().logits(inputs, options) + np.float32(1e-6 * len(self.batches))


@pytest.mark.parametrize("copies", [40, 2 * SLICE])
def test_copies_of_a_pair_are_scored_once_and_all_get_that_score(copies: int) -> None:
    others = some_pairs("q", 20)
    pairs = [pair for other in others for pair in (other, *[others[7]] * (copies // 20))]
    backend = Rounding(budget=30)
    with engine(backend) as subject:
        found = scores(subject.submit(Request(pairs, PLAIN)))
    scored = [pair for batch in backend.batches for pair in batch]
    assert sorted(scored) == sorted(others)
    by_pair = {pair: found[pairs.index(pair)] for pair in others}
    np.testing.assert_array_equal(found, [by_pair[pair] for pair in pairs])
    np.testing.assert_allclose(found, numbers(pairs), atol=1e-4)


def test_copies_of_a_pair_are_cut_like_it() -> None:
    pairs = [("q", "x x x"), ("q", "x"), ("q", "x x x"), ("q", "x")]
    with engine(NumberBackend()) as subject:
        truncated = (
            subject.submit(Request(pairs, PairOptions(max_length=3))).result(PATIENCE).truncated
        )
    assert truncated is not None
    assert truncated.tolist() == [True, False, True, False]


def test_copies_of_a_pair_count_where_pairs_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moved: list[int] = []
    monkeypatch.setattr(Request, "move_bar", lambda request, count: moved.append(count))
    gate = threading.Semaphore(0)
    backend = NumberBackend(gate=gate)
    pairs = some_pairs("q", 5) * 4
    with engine(backend) as subject:
        future = subject.submit(Request(pairs, PLAIN))
        with pytest.raises(QueueFullError, match="20 pairs wait, and 20 more exceed"):
            subject.submit(Request(pairs, PLAIN, max_queue_pairs=30))
        with pytest.raises(ScoringTimeoutError, match=r"20 pairs were not.* 20 of them still"):
            subject.submit(Request(pairs, PLAIN, timeout=0.01)).result(PATIENCE)
        backend.open_gate()
        scores(future)
        assert sum(moved) == 20
        assert subject._room.pairs == 0


def test_a_timeout_is_kept_while_texts_are_tokenized() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(NumberBackend):
        def prepare(
            self, pairs: Sequence[Pair], options: PairOptions, windows: slice = ALL_WINDOWS
        ) -> Prepared:
            begun.set()
            go_on.wait(PATIENCE)
            return super().prepare(pairs, options, windows)

    with engine(Slow()) as subject:
        patient = subject.submit(Request(some_pairs("patient", 3), PLAIN))
        hasty = subject.submit(Request(some_pairs("hasty", 3), PLAIN, timeout=0.05))
        begun.wait(PATIENCE)
        with pytest.raises(ScoringTimeoutError):
            hasty.result(PATIENCE)
        assert not patient.done()
        go_on.set()
        np.testing.assert_array_equal(scores(patient), numbers(some_pairs("patient", 3)))


def test_a_pair_of_something_else_than_texts_fails_its_own_call() -> None:
    with engine(NumberBackend()) as subject:
        with pytest.raises(TypeError):
            subject.submit(Request([("q", None)], PLAIN))
        assert scores(subject.submit(Request(some_pairs("q", 2), PLAIN))).shape == (2,)
