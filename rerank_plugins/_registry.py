"""Loaded models, shared: one per process and settings, loaded once, on a thread of its own."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

from rerank_plugins._model import ModelSettings
from rerank_plugins.backends import Backend, load
from rerank_plugins.errors import ForkedProcessError, ScorerClosedError

_Result = TypeVar("_Result")

_lock = threading.Lock()
_models: dict[ModelSettings, "SharedModel"] = {}
_abandoned: "SimpleQueue[SharedModel]" = SimpleQueue()
_janitor: threading.Thread | None = None


class SharedModel:
    """One model's settings, its thread, and its backend once that is loaded.

    A single thread does all the work of a model. That makes loading single flight, keeps
    backends and tokenizers free of locks, and lets any number of threads and event loops wait
    for futures instead of for each other.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self.users = 0
        self._start_process()

    def submit(self, work: Callable[[Backend], _Result]) -> "Future[_Result]":
        """Queues `work` for the model's thread; the model is loaded before the first."""
        if self._process != os.getpid():
            if self._backend is not None:
                message = (
                    f"{self.settings.model!r} was loaded before this process was forked, and "
                    "threads do not survive a fork. Create the scorer in the child process, or "
                    "do not load it (warm_up, score) before forking."
                )
                raise ForkedProcessError(message)
            self._start_process()
        try:
            return self._thread.submit(self._run, work)
        except RuntimeError as error:  # another thread closed it, or the interpreter is ending
            message = f"{self.settings.model!r} is closed. Create a new CrossEncoderScorer."
            raise ScorerClosedError(message) from error

    def release(self, *, wait: bool) -> None:
        """Lets the thread finish what is queued, then end; drops the model."""
        if self._process == os.getpid():
            with suppress(RuntimeError):  # the interpreter is ending; the model ends with it
                self._thread.submit(self._drop)
            self._thread.shutdown(wait=wait)
        else:
            self._drop()

    def _start_process(self) -> None:
        self._process = os.getpid()
        self._backend: Backend | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rerank-model")

    def _run(self, work: Callable[[Backend], _Result]) -> _Result:
        if self._backend is None:
            self._backend = load(self.settings)
        return work(self._backend)

    def _drop(self) -> None:
        self._backend = None


def acquire(settings: ModelSettings) -> SharedModel:
    """The model for these settings, not loaded yet if nobody has used it."""
    global _janitor
    with _lock:
        if _janitor is None:
            _janitor = threading.Thread(target=_sweep, name="rerank-janitor", daemon=True)
            _janitor.start()
        shared = _models.setdefault(settings, SharedModel(settings))
        shared.users += 1
        return shared


def release(shared: SharedModel, *, wait: bool) -> None:
    """Gives back what `acquire` gave; the last user's release frees the model."""
    with _lock:
        shared.users -= 1
        if shared.users:
            return
        if _models.get(shared.settings) is shared:
            del _models[shared.settings]
    shared.release(wait=wait)


def abandon(shared: SharedModel) -> None:
    """`release` for the garbage collector, which may interrupt a thread that holds any lock.

    Taking a lock there could wait for the very thread it runs on, so this only leaves a note;
    `SimpleQueue.put` is reentrant for exactly this purpose.
    """
    _abandoned.put(shared)


def _sweep() -> None:
    """Releases what was abandoned, for as long as the process lives."""
    while True:
        release(_abandoned.get(), wait=False)


def _after_fork() -> None:
    """A child starts with no models and an unlocked lock; scorers it inherited keep theirs."""
    global _lock, _abandoned, _janitor
    _lock = threading.Lock()
    _abandoned = SimpleQueue()
    _janitor = None
    _models.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
