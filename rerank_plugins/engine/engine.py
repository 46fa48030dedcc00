"""The engine: requests of any threads and event loops in, batches shared by them, futures out.

One thread tokenizes ahead, one a device runs batches, and one keeps the time once a request has a
timeout. Callers hold the engine's lock for a moment only, so that an event loop may call it too.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.contract import Backend, PairOptions
from rerank_plugins.engine.batch_runner import BatchRunner, explained
from rerank_plugins.engine.condition import SafeCondition
from rerank_plugins.engine.lifetime import EngineThread, start_thread
from rerank_plugins.engine.requests import Item, Request
from rerank_plugins.engine.schedule import Schedule
from rerank_plugins.errors import QueueFullError, ScorerClosedError, ScoringTimeoutError
from rerank_plugins.results import PairScores, Plan


class Engine:
    """One model, on one or several devices, and what its callers wait for.

    Args:
        name: The model reference, for messages.
        loaders: One function per device that loads the model there. They are called one after
            another when the first request comes; if one fails, the requests that wait fail with
            its error, and the next request tries again.

    Attributes:
        backends: The loaded models, one per device; empty before and after.
        loading: Whether they are being loaded.
    """

    def __init__(self, name: str, loaders: Sequence[Callable[[], Backend]]) -> None:
        self.backends: list[Backend] = []
        self.loading = False
        self._name = name
        self._loaders = loaders
        self._changed = SafeCondition()
        self._open: dict[Future[PairScores], Request] = {}
        self._unscored = 0  # pairs of open requests
        self._schedule = Schedule()
        self._runners = [BatchRunner(self._deliver) for _ in loaders]
        self._closed = False
        self._loops: list[Callable[[], None]] = [self._read]
        self._loops += [partial(self._work, number) for number in range(len(loaders))]
        self._loops.append(self._keep_time)
        # Each loop keeps its thread, because torch keeps helper threads for every caller.
        self._threads: dict[int, threading.Thread] = {}

    @property
    def plan(self) -> Plan:
        """How the loaded model is run.

        Raises:
            ScorerClosedError: The engine was closed meanwhile.
        """
        for backend in self.backends:
            return backend.plan
        raise self._closed_error()

    def submit(
        self,
        pairs: Sequence[tuple[str, str]],
        options: PairOptions,
        *,
        timeout: float | None = None,
        max_queue_pairs: int | None = None,
    ) -> Future[PairScores]:
        """Puts n pairs in the queue and returns at once.

        A pair that is among them several times is scored once: two batches would give its copies
        logits that differ in the last digits, and a ranking that no longer keeps their order.

        Args:
            pairs: The (query, passage) pairs. `()` only loads the model and checks the options.
            options: How they are scored; pairs with equal options share batches.
            timeout: Seconds after which the future fails with `ScoringTimeoutError`.
            max_queue_pairs: Most pairs without a score that the queue may then hold. A request
                that finds it empty is taken whatever its size.

        Returns:
            A future of n logits. Cancelling it frees what is not yet in a batch.

        Raises:
            QueueFullError: The queue is full.
            ScorerClosedError: The engine is closed, or the interpreter is ending.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        numbers: dict[tuple[str, str], int] = {}
        places = [numbers.setdefault((query, text), len(numbers)) for query, text in pairs]
        request = Request(list(numbers), options, places=places, timeout=timeout, deadline=deadline)
        request.add_done_callback(self._forget)  # before it is open: no interrupt can come between
        with self._changed:
            if self._closed:
                raise self._closed_error()
            total = self._unscored + request.asked
            if (
                max_queue_pairs is not None
                and request.asked
                and self._unscored
                and total > max_queue_pairs
            ):
                message = (
                    f"The queue of {self._name!r} is full: {self._unscored} pairs wait, and "
                    f"{request.asked} more exceed max_queue_pairs={max_queue_pairs}. Try again "
                    "later, send fewer pairs, or raise max_queue_pairs."
                )
                raise QueueFullError(message)
            self._start_threads(request)
            # In this order: an exception of a signal's handler may come between any two.
            self._schedule.add(request)
            self._open[request] = request
            self._unscored = total
            self._changed.notify_all()
        return request

    def close(self, *, wait: bool) -> None:
        """Takes no more requests, finishes those it has, ends the threads, drops the model.

        It does not wait on an engine's own thread, where a future's callback may call it: that
        thread would wait for itself, or for one that waits for it.
        """
        with self._changed:
            self._closed = True
            self._remove_done()
            self._changed.notify_all()
            threads = list(self._threads.values())
        if wait and not isinstance(threading.current_thread(), EngineThread):
            for thread in threads:
                thread.join()

    def _start_threads(self, request: Request) -> None:
        """Starts the threads that the request needs, where this is the first that does."""
        for number in range(len(self._loops) - (request.deadline is None)):
            if number not in self._threads:
                try:
                    self._threads[number] = start_thread(self, self._run, number)
                except RuntimeError as error:
                    if "shutdown" not in str(error):  # no thread can be started
                        raise
                    raise self._closed_error() from error  # the interpreter is ending

    def _run(self, number: int) -> None:
        """Runs a loop whenever something is open, until the engine is closed."""
        with self._changed:
            # Another one's if a signal's handler raised while this thread was started.
            if self._threads.setdefault(number, me := threading.current_thread()) is not me:
                return
        while True:
            with self._changed:
                self._remove_done()
                while not (self._open or self._closed):
                    self._changed.wait()
                if not self._open:
                    break
            try:
                self._loops[number]()
            except BaseException as error:  # what nobody foresaw must leave no caller waiting
                self._fail_all(error)
        if number == 0:
            self.backends.clear()

    def _forget(self, done: Future[PairScores]) -> None:
        """Called once for each request when it is done, whichever way and on whichever thread."""
        assert isinstance(done, Request)
        with self._changed:
            self._remove(done)
        if done.cancelled():
            done.set_running_or_notify_cancel()  # wakes those in concurrent.futures.wait
        done.let_go()

    def _remove(self, request: Request) -> None:
        if self._open.pop(request, None) is not None:
            self._unscored -= request.left
            self._schedule.discard(request)
            self._changed.notify_all()

    def _remove_done(self) -> None:
        """Removes requests whose `cancel()` broke off because a signal's handler raised."""
        for request in [each for each in self._open.values() if each.done()]:
            self._remove(request)

    def _fail_all(self, error: BaseException) -> None:
        for request in self._requests():
            request.fail(error)

    def _requests(self) -> list[Request]:
        with self._changed:
            return list(self._open.values())

    def _closed_error(self) -> ScorerClosedError:
        return ScorerClosedError(f"{self._name!r} is closed. Create a new CrossEncoderScorer.")

    def _read(self) -> None:
        """Tokenizes ahead of the workers."""
        while True:
            with self._changed:
                while self._open:
                    found = self._schedule.next_slice() if self.backends else None
                    if found:
                        break
                    self._changed.wait()
                else:
                    return
            self._prepare(*found)

    def _keep_time(self) -> None:
        """Fails what is overdue, however long a text takes to tokenize or a batch to run."""
        while True:
            with self._changed:
                while self._open:
                    late, wait = self._overdue()
                    if late:
                        break
                    self._changed.wait(wait if wait is None else min(wait, threading.TIMEOUT_MAX))
                else:
                    return
            for request in late:
                request.fail(self._timeout_error(request))

    def _overdue(self) -> tuple[list[Request], float | None]:
        """Requests past their deadline, and the seconds until the next one's."""
        now = time.monotonic()
        dated = [
            (request.deadline - now, request)
            for request in self._open.values()
            if request.deadline is not None and not request.done()
        ]
        late = [request for seconds, request in dated if seconds <= 0]
        return late, min((seconds for seconds, _ in dated if seconds > 0), default=None)

    def _timeout_error(self, request: Request) -> ScoringTimeoutError:
        message = (
            f"{request.asked} pairs were not scored by {self._name!r} within "
            f"timeout={request.timeout:g} seconds; {request.left} of them still waited. Send fewer "
            "pairs, raise timeout, or call warm_up() before if the time went into loading."
        )
        return ScoringTimeoutError(message)

    def _prepare(self, request: Request, part: slice) -> None:
        backend = self.backends[0]
        try:
            if part.start == 0:
                backend.check(request.options)
                with suppress(Exception):  # a bar that cannot be drawn is no failure of the scoring
                    request.start_bar()
            prepared = backend.prepare(request.pairs[part], request.options)
        except BaseException as error:  # tokenizers' panics are no Exceptions
            request.fail(explained(error))
            return
        if not request.size:
            request.finish()
            return
        with self._changed:
            if request in self._open:
                self._schedule.ready(request.items(part.start, prepared))
                self._changed.notify_all()

    def _work(self, number: int) -> None:
        """Runs batches on one device. The first worker loads the model before, for all."""
        with self._changed:
            must_load = number == 0 and bool(self._open) and not self.backends
        if must_load:
            self._load()
        runner = self._runners[number]
        while batch := self._next_batch(number):
            runner.run(self.backends[number], batch)

    def _load(self) -> None:
        self.loading = True
        try:
            loaded = [load() for load in self._loaders]
            with self._changed:
                if self._open or not self._closed:
                    self.backends += loaded
                    self._changed.notify_all()
        finally:
            self.loading = False

    def _next_batch(self, number: int) -> list[Item]:
        """Waits for a batch; `[]` once nothing is open, or to have the model loaded first."""

        def budget(options: PairOptions) -> int:
            return self._runners[number].budget(self.backends[number], options)

        with self._changed:
            while self._open:
                if number == 0 and not self.backends:  # nothing was open when that was looked at
                    return []
                batch = self._schedule.draw(budget)
                if batch:
                    self._changed.notify_all()  # the reader has room again
                    return batch
                self._changed.wait()
        return []

    def _deliver(self, batch: Sequence[Item], logits: NDArray[np.float32]) -> None:
        """Brings the logits of one batch, shape `(b,)`, to the requests in it."""
        scored: Counter[Request] = Counter()
        with self._changed:
            for item, logit in zip(batch, logits, strict=True):
                if item.request in self._open:
                    pairs = item.request.put(item.position, logit)
                    scored[item.request] += pairs
                    self._unscored -= pairs
        for request, pairs in scored.items():
            with suppress(Exception):  # a bar that cannot be drawn is no failure of the scoring
                request.move_bar(pairs)
            if not request.left:
                request.finish()
