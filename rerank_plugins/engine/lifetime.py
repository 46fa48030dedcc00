"""Engines at the end of the process, where they finish open requests, and after a fork."""

import concurrent.futures.thread  # noqa: F401  # libraries cannot once the main thread has ended
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from weakref import ref


class Ending(Protocol):
    """What shutdown needs to know about an engine, or about a cache in front of one."""

    @property
    def held(self) -> list[Any]:
        """What a forked process must not destroy: loaded models, an open file."""

    @property
    def is_in_front(self) -> bool:
        """Whether it asks an engine, so that it has to end before it."""

    def close(self, *, wait: bool) -> None:
        """Finishes the open requests and ends the threads."""


class EngineThread(threading.Thread):
    """A thread of an engine. Callbacks run on it, and must not wait for another engine to end."""


class _Ender(threading.Thread):
    """The thread that waits for the end; there are two if the first one's start was interrupted."""


_lock = threading.Lock()
_all: set[ref[Ending]] = set()
_ender: _Ender | None = None
_over = False


def start_thread(subject: Ending, run: Callable[[int], None], number: int) -> threading.Thread:
    """Starts a daemon thread; `subject` is closed once the last non-daemon thread ends.

    Raises:
        RuntimeError: No thread can be started, or it is too late ("shutdown").
    """
    global _ender
    thread = EngineThread(target=run, args=(number,), name="rerank-model", daemon=True)
    with _lock:
        if _over:
            message = "cannot begin anything after shutdown"
            raise RuntimeError(message)
        if _ender is None:
            ender = _Ender(target=_end, name="rerank-end", daemon=False)
            ender.start()
            _ender = ender
        _all.add(ref(subject, _all.discard))
    thread.start()
    return thread


def _end() -> None:
    """Waits for all non-daemon threads, then closes the engines.

    It runs on a thread because neither of Python's own ways comes at the right moment. Executors
    end before other threads do. `atexit` handlers run after handlers that delete the folders of
    models that are still loading, and do not run in a child of `multiprocessing`.
    """
    global _over
    main = threading.main_thread()
    main.join()
    while others := [
        thread
        for thread in threading.enumerate()
        if not (thread.daemon or thread is main or isinstance(thread, _Ender))
    ]:
        others[0].join()
    for subject in _living():
        if subject.is_in_front:  # what it asks may have to begin
            subject.close(wait=True)
    with _lock:
        _over = True
    for subject in _living():
        subject.close(wait=True)


def _living() -> Iterator[Ending]:
    for each in list(_all):
        if (subject := each()) is not None:
            yield subject


def _after_fork() -> None:
    """Keeps what the parent has open alive for ever in the child, even without a reference to it.

    Destroying them would wait for threads that the child does not have.
    """
    global _lock, _ender, _over
    for subject in _living():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(subject.held))
    _lock = threading.Lock()
    _all.clear()
    _ender, _over = None, False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
