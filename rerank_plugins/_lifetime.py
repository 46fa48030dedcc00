"""Engines at the interpreter's end, where they finish what is open, and after a fork."""

import atexit
import concurrent.futures.thread  # noqa: F401  # libraries cannot once the main thread has ended
import ctypes
import os
from typing import Any, Protocol
from weakref import WeakSet


class Ending(Protocol):
    """What has threads and models to end with.

    Attributes:
        backends: The loaded models.
        process: The process that its threads belong to.
    """

    backends: list[Any]
    process: int

    def close(self, *, wait: bool) -> None:
        """Finishes what is open and ends the threads."""


_all: WeakSet[Ending] = WeakSet()


def watch(subject: Ending) -> None:
    """Ends it with the interpreter, after the last thread that is no daemon."""
    _all.add(subject)


@atexit.register
def _end_all() -> None:
    for subject in list(_all):
        if subject.process == os.getpid():
            subject.close(wait=True)


def _after_fork() -> None:
    """Leaves the parent's models alone for ever, whatever becomes of the last reference.

    Destroying them would wait for threads that the child does not have.
    """
    for subject in list(_all):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(subject.backends))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
