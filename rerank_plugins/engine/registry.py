"""Shared models: one engine per process and settings."""

import os
import threading
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

from rerank_plugins.backends.loader import load
from rerank_plugins.engine.engine import Engine
from rerank_plugins.errors import ForkedProcessError
from rerank_plugins.models.files import Files
from rerank_plugins.models.location import files_of
from rerank_plugins.models.settings import ModelSettings, located_now

Workers: TypeAlias = tuple[ModelSettings, ...]
"""The settings to load a model with, one per device; they differ only in the device."""

Key: TypeAlias = tuple[Workers, Files]
"""Scorers with equal keys share a model; the files are part of it, as folders are rewritten."""

_lock = threading.Lock()
_models: dict[Key, "SharedModel"] = {}
_abandoned: "SimpleQueue[SharedModel]" = SimpleQueue()
_janitor: threading.Thread | None = None


class SharedModel:
    """An engine for one model, how many scorers use it, and the process it belongs to."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.users = 0
        self._start_process()

    @property
    def settings(self) -> ModelSettings:
        """The settings of the first device; others differ in nothing else."""
        return self.key[0][0]

    @property
    def name(self) -> str:
        """The model's name, for messages."""
        return self.settings.model

    def engine_here(self) -> Engine:
        """The engine of this process, also if it was forked before the model was loaded.

        Raises:
            ForkedProcessError: The model was loaded before the fork.
        """
        if self._process != os.getpid():
            with _lock:
                self._enter_process()
        return self.engine

    def release(self, *, wait: bool) -> None:
        """Lets the engine finish its requests, end its threads and drop the model."""
        if self._process == os.getpid():
            self.engine.close(wait=wait)

    def _enter_process(self) -> None:
        """Makes an engine for a forked process: threads do not survive a fork."""
        if self._process == os.getpid():
            return  # another thread did it
        if self.engine.backends or self.engine.loading:
            message = (
                f"{self.name!r} was loaded before this process was forked, and "
                "threads do not survive a fork. Create the scorer in the child process, or "
                "do not load it (warm_up, score) before forking."
            )
            raise ForkedProcessError(message)
        self._start_process()

    def _start_process(self) -> None:
        self.engine = Engine(self.name, [partial(load, settings) for settings in self.key[0]])
        self._process = os.getpid()


def acquire(workers: Workers) -> SharedModel:
    """The model for these settings; it is loaded when it is first used."""
    global _janitor
    workers = tuple(map(located_now, workers))
    key = workers, files_of(workers[0].model)
    with _lock:
        if _janitor is None:
            janitor = threading.Thread(target=_sweep, name="rerank-janitor", daemon=True)
            janitor.start()
            _janitor = janitor
        if key not in _models:
            _models[key] = SharedModel(key)
        shared = _models[key]
        shared.users += 1
        return shared


def release(shared: SharedModel, *, wait: bool) -> None:
    """Gives back what `acquire` gave; the last user's release frees the model."""
    with _lock:
        shared.users -= 1
        if shared.users:
            return
        if _models.get(shared.key) is shared:
            del _models[shared.key]
    shared.release(wait=wait)


def abandon(shared: SharedModel) -> None:
    """`release` for the garbage collector, which may run on a thread that holds any lock.

    Taking a lock could wait for that very thread, so this only leaves a note for the janitor.
    `SimpleQueue.put` is reentrant for this purpose.
    """
    _abandoned.put(shared)


def _sweep() -> None:
    """Releases abandoned models as long as the process lives."""
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
