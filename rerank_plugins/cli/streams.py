"""Standard streams that are closed when a command begins (`2>&-`), for which Python has None."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from rerank_plugins.errors import InvalidInputError


@contextmanager
def usable_streams() -> Iterator[None]:
    """While it is open, messages for a closed standard error vanish, and nothing else is lost.

    Closed descriptors are taken by the null device, and stay so: the next file that is opened would
    get them, and with it all that a library prints.
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
    """Finds out before the work that a result has nowhere to go.

    Raises:
        InvalidInputError: Standard output is closed.
    """
    if output_is_closed():
        _refuse()


def drop_output() -> None:
    """Drops what a full disk kept from standard output: Python would complain of it at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class _ClosedOutput(io.TextIOBase):
    """Stands for a closed standard output: whoever writes to it is told."""

    def write(self, text: str) -> int:
        """Raises `InvalidInputError`."""
        _refuse()


def _refuse() -> NoReturn:
    message = "standard output is closed, and the result goes there. Send it to a file: > FILE"
    raise InvalidInputError(message)


def _occupy(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest that is free
