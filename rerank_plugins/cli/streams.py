"""Handles standard streams that are closed when a command starts (`2>&-`): in Python, `None`."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from rerank_plugins.errors import InvalidInputError


@contextmanager
def usable_streams() -> Iterator[None]:
    """Replaces closed streams; only messages to a closed standard error are lost.

    The null device takes the closed descriptors for good. Otherwise the next file to be opened
    would get one of them, and receive everything that a library prints.
    """
    for descriptor in (0, 1, 2):
        _occupy(descriptor)
    streams = sys.stdout, sys.stderr
    if sys.stdout is None:
        sys.stdout = _ClosedOutput()
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="replace", closefd=False)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def output_is_closed() -> bool:
    """Whether nothing can be written to standard output."""
    return isinstance(sys.stdout, _ClosedOutput)


def check_output() -> None:
    """Checks before the work that standard output is open for the result.

    Raises:
        InvalidInputError: Standard output is closed.
    """
    if output_is_closed():
        _refuse()


def drop_output() -> None:
    """Drops output that a full disk refused; otherwise Python would report it again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class _ClosedOutput(io.TextIOBase):
    """Replaces a closed standard output and refuses every write."""

    def write(self, text: str) -> int:
        """Raises `InvalidInputError`."""
        _refuse()


def _refuse() -> NoReturn:
    message = "standard output is closed, and the result goes there. Redirect it to a file: > FILE."
    raise InvalidInputError(message)


def _occupy(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free one
