"""The engine: takes requests of any threads and event loops and scores them in shared batches.

One thread tokenizes ahead, one thread per device runs batches, and one watches the clock once a
request has a timeout or a time budget. A lock guards what they share. It is held for moments only,
so an event loop may take it too, and an exception of a signal's handler (see `condition`) never
leaves it taken.
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
from rerank_plugins.engine.batch_runner import BatchRunner
from rerank_plugins.engine.clock import due
from rerank_plugins.engine.condition import SafeCondition
from rerank_plugins.engine.failures import closed, queue_full
from rerank_plugins.engine.lifetime import EngineThread, start_thread
from rerank_plugins.engine.open_requests import OpenRequests
from rerank_plugins.engine.pace import Pace
from rerank_plugins.engine.preparing import prepared
from rerank_plugins.engine.recent import RecentBatches
from rerank_plugins.engine.requests import Item, Request
from rerank_plugins.engine.room import Room
from rerank_plugins.engine.schedule import Schedule
from rerank_plugins.engine.turns import Turns
from rerank_plugins.results import ModelLoad, PairScores, Plan


class Engine:
    """One model, loaded on one or several devices, and the requests to score with it.

    Args:
        name: The model reference, for messages.
        loaders: One function per device that loads the model there. They are called one after
            another when the first request comes. If one fails, all open requests fail with its
            error, and the next request tries again.

    Attributes:
        backends: The loaded models, one per device; empty before loading and after closing.
        loading: Whether the models are being loaded.
        is_in_front: It asks no other engine at the end of the process.
    """

    is_in_front = False

    def __init__(self, name: str, loaders: Sequence[Callable[[], Backend]]) -> None:
        self.backends: list[Backend] = []
        self.loading = False
        self._name = name
        self._loaders = loaders
        self._changed = SafeCondition()
        self._room = Room()
        self._turns = Turns(Schedule(), len(loaders))
        self._open = OpenRequests(self._room, self._turns, self._changed)
        self._recent = RecentBatches()
        self._runners = [BatchRunner(partial(self._deliver, pace)) for pace in self._turns.paces]
        self._closed = False
        self._loops: list[Callable[[], None]] = [self._read]
        self._loops += [partial(self._work, device) for device in range(len(loaders))]
        self._loops.append(self._keep_time)
        # By the place of their loop. Threads are kept, because torch gives every thread that calls
        # it helper threads of its own.
        self._threads: dict[int, threading.Thread] = {}

    @property
    def held(self) -> list[Backend]:
        """The models, which a forked process must not destroy."""
        return self.backends

    @property
    def plan(self) -> Plan:
        """How the loaded model is run.

        Raises:
            ScorerClosedError: The engine has been closed.
        """
        for backend in self.backends:
            return backend.plan
        raise closed(self._name)

    def load(self) -> ModelLoad:
        """What waits for the model, and how fast it works."""
        devices = len(self._loaders)
        with self._changed:
            return ModelLoad(
                loaded=bool(self.backends),
                requests=len(self._open),
                pairs=self._room.pairs,
                batch_fill=self._recent.fill,
                pairs_per_second=devices * self._recent.pairs_per_second,
                tokens_per_second=devices * self._recent.tokens_per_second,
            )

    def batches(self) -> tuple[Counter[int], Counter[int], Counter[int]]:
        """How many batches had how many pairs and tokens, and how many pairs how many tokens."""
        with self._changed:
            recent = self._recent
            return recent.sizes.copy(), recent.lengths.copy(), recent.inputs.copy()

    def submit(self, request: Request, *, wait: bool = False) -> Future[PairScores]:
        """Puts a request in the queue and returns it at once.

        Args:
            request: A new request. One without pairs loads the model and checks the options.
            wait: Whether a request that finds the queue full waits in line for room, instead of
                being refused.

        Returns:
            The request. Cancelling it frees its place, and its pairs that are not yet in a batch
            are not scored.

        Raises:
            QueueFullError: The queue is full. A request that finds it empty always enters.
            ScorerClosedError: The engine is closed, or the interpreter is ending.
        """
        request.add_done_callback(self._forget)  # before it is open: no interrupt can come between
        with self._changed:
            if self._closed:
                raise closed(self._name)
            if not (wait or self._room.fits(request)):
                raise queue_full(self._name, request, self._room.pairs)
            self._start_threads(request)
            self._open.add(request)
        return request

    def close(self, *, wait: bool) -> None:
        """Refuses new requests, finishes the open ones, ends the threads and drops the model.

        Args:
            wait: Whether to wait for the end of the threads. A future's callback never waits: it
                runs on an engine's thread, which would wait for itself or for a thread that waits
                for it.
        """
        with self._changed:
            self._closed = True
            self._open.clean_up()
            self._changed.notify_all()
            threads = list(self._threads.values())
        if wait and not isinstance(threading.current_thread(), EngineThread):
            for thread in threads:
                thread.join()

    def _start_threads(self, request: Request) -> None:
        """Starts the threads that the request needs and that do not run yet."""
        for place in range(len(self._loops) - (not request.is_dated)):
            if place not in self._threads:
                try:
                    self._threads[place] = start_thread(self, self._run, place)
                except RuntimeError as error:
                    if "shutdown" not in str(error):  # no thread can be started
                        raise
                    raise closed(self._name) from error  # the interpreter is ending

    def _run(self, place: int) -> None:
        """Runs a loop whenever a request is open, until the engine is closed."""
        with self._changed:
            # An interrupted `_start_threads` may have left a thread that it did not store.
            if self._threads.setdefault(place, me := threading.current_thread()) is not me:
                return
        while True:
            with self._changed:
                self._open.clean_up()
                while not (self._open or self._closed):
                    self._changed.wait()
                if not self._open:
                    break
            try:
                self._loops[place]()
            except BaseException as error:  # an unforeseen one must leave no caller waiting
                self._fail_all(error)
        self.backends.clear()

    def _forget(self, done: Future[PairScores]) -> None:
        """Removes a request that is done, on the thread that finished, failed or cancelled it."""
        assert isinstance(done, Request)
        with self._changed:
            self._open.remove(done)
        if done.cancelled():
            done.set_running_or_notify_cancel()  # wakes callers of concurrent.futures.wait
        done.let_go()

    def _fail_all(self, error: BaseException) -> None:
        with self._changed:
            failed = iter(self._open)
        for request in failed:
            request.fail(error)

    def _read(self) -> None:
        """Tokenizes ahead of the workers."""
        while True:
            with self._changed:
                while self._open:
                    found = self._turns.next_slice(time.monotonic()) if self.backends else None
                    if found:
                        break
                    self._changed.wait()
                else:
                    return
            self._prepare(*found)

    def _keep_time(self) -> None:
        """Ends requests when their time is over, even while a text is tokenized or a batch runs."""
        while True:
            with self._changed:
                while self._open:
                    over = due(self._open, now := time.monotonic())
                    if over.finished or over.failed:
                        break
                    self._changed.wait(min(over.next - now, threading.TIMEOUT_MAX))
                else:
                    return
            over.settle(self._name)

    def _prepare(self, request: Request, part: slice) -> None:
        if (found := prepared(request, part, self.backends[0])) is None:
            return
        if not request.size:
            request.finish()
            return
        with self._changed:
            if request in self._open:
                self._turns.ready(request.items(part.start, found))
                self._changed.notify_all()

    def _work(self, device: int) -> None:
        """Runs batches on one device; the first device's thread loads the models of all before."""
        with self._changed:
            must_load = self._loads(device) and bool(self._open)
        if must_load:
            self._load()
        runner = self._runners[device]
        while batch := self._next_batch(device):
            runner.run(self.backends[device], batch)

    def _loads(self, device: int) -> bool:
        """Whether the thread of this device has to load the models now."""
        return device == 0 and not self.backends

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

    def _next_batch(self, device: int) -> list[Item]:
        """Waits for a batch; `[]` if no request is open or the model must be loaded first."""

        def budget(options: PairOptions) -> int:
            return self._runners[device].budget(self.backends[device], options)

        with self._changed:
            while self._open:
                if self._loads(device):  # no request was open when `_work` looked
                    return []
                if self._turns.give_up(now := time.monotonic()):
                    self._changed.notify_all()  # for `_keep_time`
                if batch := self._turns.draw(device, budget, now):
                    self._changed.notify_all()  # there is room to tokenize more
                    return batch
                self._open.clean_up()
                self._changed.wait()
        return []

    def _deliver(
        self,
        pace: Pace,
        batch: Sequence[Item],
        logits: NDArray[np.float32],
        most: int,
        seconds: float,
    ) -> None:
        """Hands the logits of one batch, shape `(b,)`, to the requests of its pairs."""
        scored: Counter[Request] = Counter()
        with self._changed:
            pace.add(max(1, len(batch) * batch[0].tokens), seconds)
            self._recent.add(batch, most, seconds)
            for item, logit in zip(batch, logits, strict=True):
                if item.request in self._open:
                    pairs = item.request.put(item, logit)
                    scored[item.request] += pairs
                    self._room.pairs -= pairs
            for request in scored:
                request.meter.scored(seconds)
            self._open.let_in()
            now = time.monotonic()
            ended = {request for request in scored if not request.left or request.is_over(now)}
        for request, pairs in scored.items():
            with suppress(Exception):  # a broken bar must not fail the scoring
                request.move_bar(pairs)
            if request in ended:
                request.finish()
