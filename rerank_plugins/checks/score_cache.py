"""Checks of the options of the score cache."""

import os
from pathlib import Path
from typing import Any, Literal

from rerank_plugins.checks.values import check_at_least
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.messages.values import described

MINIMUM_SIZE = 1_000_000
"""Bytes of the smallest score cache that is of use."""


def check_score_cache(value: Any, name: str) -> Literal[True] | str | None:
    """`value` as True, a file's path as a string, or None."""
    if value is None or isinstance(value, bool):
        return value or None
    if not isinstance(value, (str, os.PathLike)) or not str(value).strip():
        message = (
            f"{option(name)} must be a file's path or True, but got {described(value)}. True keeps "
            "scores in the user's cache folder."
        )
        raise InvalidInputError(message)
    path = os.fspath(value)
    try:
        is_folder = Path(path).expanduser().is_dir()
    except (RuntimeError, OSError) as error:  # no such home, a name too long
        message = f"{option(name, path)} cannot be looked up: {error}. Give an absolute path."
        raise InvalidInputError(message) from error
    if is_folder:
        message = (
            f"{option(name)} must be a file, but {path!r} is a folder. Pass for example "
            f"{str(Path(path) / 'scores.sqlite')!r}."
        )
        raise InvalidInputError(message)
    return path


def check_cache_size(value: Any, name: str) -> int:
    """`value` as a number of bytes with room for some scores."""
    hint = f"To keep no scores, leave {option('score_cache')} out."
    return check_at_least(value, name, MINIMUM_SIZE, "bytes", hint)
