"""The cache of one scorer: a thread that looks pairs up, and asks the model for the others."""

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from rerank_plugins.engine.lifetime import EngineThread, start_thread
from rerank_plugins.errors import ScorerClosedError
from rerank_plugins.process.user_cache import user_cache
from rerank_plugins.results import PairScores
from rerank_plugins.score_cache.file import ScoreFile
from rerank_plugins.score_cache.requests import CachedRequest, Course

_log = logging.getLogger(__name__)
_lock = threading.Lock()

_USERS_FILE = "scores-1.sqlite"
"""The file for `score_cache=True`; the number is that of its form."""


def score_cache(choice: Literal[True] | str | None, size: int) -> "ScoreCache | None":
    """The cache that the options of a scorer describe, if they do; nothing is opened yet.

    Args:
        choice: A file; True is one in the user's cache folder.
        size: The most bytes that the file may have.
    """
    if choice is None:
        return None
    if choice is True:
        return ScoreCache(user_cache(_USERS_FILE), size)
    return ScoreCache(Path(choice).expanduser().absolute(), size)


class ScoreCache:
    """Answers requests with kept scores as far as there are any, and keeps the scores of the rest.

    Its thread alone uses the file: neither callers nor a model's threads wait for a disk. Requests
    take turns there, a slice at a time.

    Args:
        path: The file; `None` if there is no place for one.
        size: The most bytes that it may have.

    Attributes:
        held: The open file, which a forked process must not close.
        is_in_front: It asks an engine, and ends before it.
    """

    is_in_front = True

    def __init__(self, path: Path | None, size: int) -> None:
        self._path = path
        self._size = size
        self._closed = False
        self._thread: threading.Thread | None = None
        self._start_process()

    @property
    def bytes(self) -> int:
        """The size of the file, with the journal beside it; 0 if there is none."""
        files = () if self._path is None else (self._path, Path(f"{self._path}-wal"))
        size = 0
        for file in files:
            with suppress(OSError):
                size += file.stat().st_size
        return size

    def submit(self, request: CachedRequest) -> "Future[PairScores]":
        """Puts a request in the queue and returns it at once.

        Raises:
            ScorerClosedError: The cache is closed, or the interpreter is ending.
        """
        with _lock:
            if self._process != os.getpid():  # neither threads nor open files survive a fork
                self._start_process()
            if self._closed:
                raise _closed()
            if self._thread is None:
                try:
                    self._thread = start_thread(self, self._run, 0)
                except RuntimeError as error:
                    if "shutdown" not in str(error):  # no thread can be started
                        raise
                    raise _closed() from error  # the interpreter is ending
            self._queue.put((request, None))
        return request

    def close(self, *, wait: bool, then: Callable[[], None] = lambda: None) -> None:
        """Answers what is in the queue, keeps the scores, and closes the file.

        Args:
            wait: Whether to wait for that. A future's callback never waits: it runs on a thread
                that this waits for.
            then: What is done after that.
        """
        with _lock:
            self._closed = True
            thread = self._thread if self._process == os.getpid() else None
            waits = wait and not isinstance(threading.current_thread(), EngineThread)
            if thread is not None and not waits:
                self._then.append(then)
            self._queue.put(None)
        if thread is not None and waits:
            thread.join()
        if thread is None or waits:
            then()

    def abandon(self) -> None:
        """`close` for the garbage collector, which may run on a thread that holds any lock."""
        self._queue.put(None)

    def _start_process(self) -> None:
        self._process = os.getpid()
        self._thread = None
        self._queue: SimpleQueue[tuple[CachedRequest, Course | None] | None] = SimpleQueue()
        self._then: list[Callable[[], None]] = []
        self.held: list[Any] = []

    def _run(self, number: int) -> None:
        """Advances requests until the cache is closed and all are done."""
        with _lock:
            # An interrupted `submit` may have left a thread that it did not store.
            self._thread = self._thread or threading.current_thread()
            if self._thread is not threading.current_thread():
                return
        under_way, closed = 0, False
        with closing(ScoreFile(self._path, self._size)) as file:
            self.held.append(file)
            while under_way or not closed:
                step = self._queue.get()
                if step is None:
                    closed = True
                    continue
                request, course = step
                if course is None:
                    under_way += 1
                    course = request.course(file)
                under_way -= self._advance(request, course)
                del step, request, course  # they would keep the scorer alive
        self.held.clear()
        for each in self._then:
            each()

    def _advance(self, request: CachedRequest, course: Course) -> bool:
        """Takes a request a step further; returns whether that was the last."""
        try:
            awaited = next(course)
        except BaseException as error:
            if not isinstance(error, StopIteration):
                if request.done():  # a callback raised it, or the keeping
                    _log.exception("The score cache failed")
                request.fail(error)
            request.let_go()
            return True
        if awaited is None:
            self._queue.put((request, course))
        else:
            awaited.add_done_callback(lambda _: self._queue.put((request, course)))
        return False


def _closed() -> ScorerClosedError:
    return ScorerClosedError("The scorer is closed. Create a new CrossEncoderScorer.")


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
