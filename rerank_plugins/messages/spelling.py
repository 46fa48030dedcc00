"""How messages name options: as Python's arguments or, while a command runs, as its options.

A message is worded where it is raised, because nobody can tell later which of its words name
options and which are a user's paths, ids and texts.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OTHER_OPTIONS = {("resume", False): "--fresh"}

_in_command = False


@contextmanager
def command_options() -> Iterator[None]:
    """While it is open, messages name options as they are typed in a shell."""
    global _in_command
    before, _in_command = _in_command, True
    try:
        yield
    finally:
        _in_command = before


def option(name: str, *value: Any) -> str:
    """What a message calls an option, with a value if one is given.

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
