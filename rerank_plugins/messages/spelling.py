"""How messages name options: as arguments in Python, and as typed options while a command runs.

A message gets these names where it is raised. Later nobody could tell which of its words are
options and which are a user's paths, ids and texts.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OTHER_OPTIONS = {
    ("resume", False): "--fresh",
    ("higher_is_better", False): "--lower-is-better",
}

_in_command = False


@contextmanager
def command_options() -> Iterator[None]:
    """Inside this context, messages name options as they are typed in a shell."""
    global _in_command
    before, _in_command = _in_command, True
    try:
        yield
    finally:
        _in_command = before


@contextmanager
def keys() -> Iterator[None]:
    """Inside this context, messages name options as the keys of an object, also in a command."""
    global _in_command
    before, _in_command = _in_command, False
    try:
        yield
    finally:
        _in_command = before


def entry(name: str, at: int) -> str:
    """An entry of an option that takes a list: `cascade[0]`, or `--cascade (1)` in a command."""
    return f"{option(name)} ({at + 1})" if _in_command else f"{name}[{at}]"


def unset() -> str:
    """How an option is left without a value: `pass None`, or `leave it out` in a command."""
    return "leave it out" if _in_command else "pass None"


def option(name: str, *value: Any) -> str:
    """The name of an option in a message, with a value if one is given.

    Args:
        name: The argument in Python.
        value: Its value, or nothing.

    Returns:
        For example `scale='logit'`, or `--scale logit` while a command runs.
    """
    if not _in_command:
        return f"{name}={value[0]!r}" if value else name
    typed = f"--{name.replace('_', '-')}"
    if not value or value[0] is True:
        return typed
    return _OTHER_OPTIONS.get((name, value[0])) or f"{typed} {shlex.quote(str(value[0]))}"
