"""Checks of values: each says what was given, what is allowed and what to type instead."""

import math
import operator
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option, unset
from rerank_plugins.messages.values import described
from rerank_plugins.results import ScoreScale

_Value = TypeVar("_Value")

MINIMUM_MAX_LENGTH = 8
"""Special tokens take 3 or 4 places; fewer than 8 leave no room for a query and a passage."""


def optional(check: Callable[[Any, str], _Value]) -> Callable[[Any, str], _Value | None]:
    """The check of an option that may also be None."""
    return lambda value, name: None if value is None else check(value, name)


def check_top_k(top_k: Any, name: str = "top_k") -> int | None:
    """`top_k` as an int of at least 1, or None for no limit."""
    if top_k is None:
        return None
    return check_positive_int(top_k, name, hint="To keep every passage, pass None.")


def check_positive_int(value: Any, name: str, hint: str = "") -> int:
    """`value` as an int of at least 1; numpy integers are fine, booleans and floats are not."""
    number = _whole(value)
    if number is None or number < 1:
        message = (
            f"{option(name)} must be > 0, but got {value!r}. Pass a whole number. {hint}".rstrip()
        )
        raise InvalidInputError(message)
    return number


def check_count(value: Any, name: str) -> int:
    """`value` as an int of at least 0."""
    number = _whole(value)
    if number is None or number < 0:
        message = f"{option(name)} must be >= 0, but got {value!r}. Pass a whole number."
        raise InvalidInputError(message)
    return number


def check_at_least(value: Any, name: str, least: int, unit: str, hint: str) -> int:
    """`value` as an int of at least so many of a unit; the hint says what to do for fewer."""
    number = check_positive_int(value, name)
    if number < least:
        message = f"{option(name)} must be at least {least} {unit}, but got {number}. {hint}"
        raise InvalidInputError(message)
    return number


def _whole(value: Any) -> int | None:
    """`value` as an int; `None` if it is something else, or a boolean."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def check_seconds(value: Any, name: str) -> float | None:
    """`value` as a finite number of seconds above 0, or None."""
    if value is None:
        return None
    number = as_number(value)
    if not 0.0 < number < math.inf:
        message = (
            f"{option(name)} must be a number of seconds > 0, but got {value!r}. "
            f"To wait as long as it takes, {unset()}."
        )
        raise InvalidInputError(message)
    return number


def check_weight(value: Any, name: str) -> float | Literal["auto"] | None:
    """`value` as a finite number of at least 0, `"auto"`, or None."""
    if value is None:
        return None
    if isinstance(value, str) and value == "auto":
        return "auto"
    number = as_number(value)
    if not 0.0 <= number < math.inf:
        message = (
            f"{option(name)} must be 'auto' or a number >= 0, but got {value!r}. "
            f"For example {option(name, 1.5)}; to leave the first stage out, {unset()}."
        )
        raise InvalidInputError(message)
    return number


def check_max_length(value: Any, name: str) -> int:
    """`value` as a number of tokens with room for a query and a passage."""
    hint = "Leave it out for all that the model can read."
    return check_at_least(value, name, MINIMUM_MAX_LENGTH, "tokens", hint)


def check_device(device: Any, name: str) -> str | list[str] | None:
    """`device` as a name, as a list of several names, or None."""
    if device is None or isinstance(device, str):
        return device
    if (
        not isinstance(device, (list, tuple))
        or not device
        or not all(isinstance(one, str) for one in device)
    ):
        message = (
            f"{name} must be a string or a list of strings, one worker each, but got "
            f"{described(device)}. Pass for example 'cpu' or ['cuda:0', 'cuda:1']."
        )
        raise InvalidInputError(message)
    return device[0] if len(device) == 1 else list(device)


def check_scale(scale: Any, name: str = "scale") -> ScoreScale:
    """`scale`, if it is one of the three."""
    allowed: tuple[ScoreScale, ...] = get_args(ScoreScale)
    for known in allowed:
        if isinstance(scale, str) and scale == known:
            return known
    message = f"{name} must be 'probability', 'logit' or 'calibrated', but got {scale!r}."
    raise InvalidInputError(message)


def is_a_threshold(threshold: Any, name: str) -> float | None:
    """`threshold` as a float, or None."""
    if threshold is None:
        return None
    number = as_number(threshold)
    if math.isnan(number):
        message = (
            f"{option(name)} must be a number, but got {threshold!r}. "
            "To keep every passage, leave it out."
        )
        raise InvalidInputError(message)
    return number


def check_threshold(
    threshold: Any, scale: ScoreScale, name: str = "score_threshold"
) -> float | None:
    """`threshold` as a float that can be reached on `scale`, or None."""
    number = is_a_threshold(threshold, name)
    if number is not None and scale != "logit" and not 0.0 <= number <= 1.0:
        message = (
            f"{option(name)} must be between 0 and 1 on the {scale} scale, "
            f"but got {threshold!r}. For a threshold on raw model outputs, set "
            f"{option('scale', 'logit')}."
        )
        raise InvalidInputError(message)
    return number


def check_choice(value: Any, name: str, allowed: Sequence[str]) -> str:
    """`value`, if it is one of the `allowed` strings."""
    if not isinstance(value, str) or value not in allowed:
        message = (
            f"{option(name)} must be one of {', '.join(map(repr, allowed))}, but got {value!r}."
        )
        raise InvalidInputError(message)
    return value


def check_text(value: Any, name: str) -> str:
    """`value`, if it is a string."""
    if not isinstance(value, str):
        message = f"{name} must be a string, but got {described(value)}."
        raise InvalidInputError(message)
    return value


def check_flag(value: Any, name: str) -> bool:
    """`value`, if it is True or False: a string such as "false" would count as true."""
    if not isinstance(value, bool):
        message = f"{name} must be True or False, but got {described(value)}."
        raise InvalidInputError(message)
    return value


def check_token(token: Any, name: str) -> str | Callable[[], str | None] | None:
    """`token`, if it is a string, a function that gives one, or None; it is not shown."""
    if token is None or isinstance(token, str):
        return token
    if callable(token) and _is_hashable(token):
        given: Callable[[], str | None] = token
        return given
    message = (
        f"{name} must be a string or a hashable function that gives one, but got "
        f"{type(token).__name__}. "
        "Pass None to use the one that `hf auth login` saved."
    )
    raise InvalidInputError(message)


def check_folder(folder: Any, name: str) -> Path | None:
    """`folder` as a path, or None."""
    text = check_folder_name(folder, name)
    return None if text is None else Path(text)


def check_folder_name(folder: Any, name: str) -> str | None:
    """`folder` as a string, which JSON and YAML can hold, or None."""
    if folder is None or isinstance(folder, (str, os.PathLike)):
        return None if folder is None else os.fspath(folder)
    message = f"{name} must be a folder's path, but got {described(folder)}."
    raise InvalidInputError(message)


def expanded(path: str | Path, name: str) -> Path:
    """A path with the home folder in place of `~`.

    Raises:
        InvalidInputError: There is no such home.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        message = f"{option(name, str(path))} cannot be looked up: {error} Give an absolute path."
        raise InvalidInputError(message) from error


def check_calibration(file: Any, name: str) -> str | None:
    """`file` as a path in a string, `"auto"`, or None."""
    if file is None or isinstance(file, (str, os.PathLike)):
        return None if file is None else os.fspath(file)
    message = (
        f"{option(name)} must be a file of `rerank calibrate` or 'auto', but got "
        f"{described(file)}. To use scores as they are, {unset()}."
    )
    raise InvalidInputError(message)


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def as_number(value: Any) -> float:
    """`value` as a float, NaN where it is no number, infinite where no float is so big."""
    try:
        return math.nan if isinstance(value, (bool, np.bool_, str, bytes)) else float(value)
    except (TypeError, ValueError):
        return math.nan
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def check_label(label: Any, name: str = "label") -> int | str | None:
    """The `label` option as given, if it can be a column's index or name."""
    if label is None or (isinstance(label, str) and label):
        return label
    try:
        index = -1 if isinstance(label, bool) else operator.index(label)
    except TypeError:
        index = -1
    if index < 0:
        message = (
            f"{name} must be the index (0, 1, ...) or the name of a column, but got {label!r}."
        )
        raise InvalidInputError(message)
    return index
