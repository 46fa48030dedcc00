"""What a model's folder says about how to rank with the model: `rerank_plugins.json`."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rerank_plugins.errors import ModelError
from rerank_plugins.messages.values import described
from rerank_plugins.models.files import OWN_SETTINGS_FILE
from rerank_plugins.models.json_files import load_json


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """Settings that belong to a model; `None` where its folder says nothing.

    Attributes:
        first_stage_weight: Logits per bonus of one from the first stage.
        long_passages: What becomes of passages that the model cannot read whole.
        window_tokens: The most tokens of a window.
        window_overlap: The most tokens that a window repeats.
        max_windows: The most windows of a passage.
    """

    first_stage_weight: float | None = None
    long_passages: str | None = None
    window_tokens: int | None = None
    window_overlap: int | None = None
    max_windows: int | None = None


@dataclass(frozen=True, slots=True)
class _Allowed:
    """Which values a setting may have.

    Attributes:
        test: Whether a value of JSON is allowed.
        says: What it must be, in a message.
        example: One that is allowed.
    """

    test: Callable[[Any], bool]
    says: str
    example: Any


def _is_weight(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < math.inf


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


_SETTINGS = {
    "first_stage_weight": _Allowed(_is_weight, "a finite number >= 0", 1.5),
    "long_passages": _Allowed(
        ("truncate", "windows").__contains__, "'truncate' or 'windows'", "windows"
    ),
    "window_tokens": _Allowed(_is_count, "a whole number > 0", 192),
    "window_overlap": _Allowed(partial(_is_count, least=0), "a whole number >= 0", 48),
    "max_windows": _Allowed(_is_count, "a whole number > 0", 24),
}


def read_own_settings(folder: Path) -> OwnSettings:
    """The settings in a model's folder; keys that this version does not know are left alone.

    Raises:
        ModelError: The file is not readable, holds no JSON object, or has a value that is not
            allowed.
    """
    file = folder / OWN_SETTINGS_FILE
    content = _content(file)
    found = {name: content[name] for name in _SETTINGS if content.get(name) is not None}
    for name, value in found.items():
        allowed = _SETTINGS[name]
        if not allowed.test(value):
            example = json.dumps({name: allowed.example})
            message = (
                f"{str(file)!r} must give {name} as {allowed.says}, but has {described(value)}. "
                f"Write for example {example}, or remove it."
            )
            raise ModelError(message)
    return OwnSettings(**found)


def write_own_settings(folder: Path, settings: OwnSettings) -> Path:
    """Writes the settings into a model's folder, beside what the file holds already.

    Args:
        folder: The model's folder.
        settings: What to write; a setting that is `None` is removed.

    Returns:
        The file.

    Raises:
        ModelError: The file is there and is not readable or holds no JSON object, or the folder
            cannot be written.
    """
    file = folder / OWN_SETTINGS_FILE
    content = {**_content(file), **asdict(settings)}
    text = json.dumps({key: value for key, value in content.items() if value is not None}, indent=2)
    partial = file.with_name(f"{file.name}.partial")
    try:
        partial.write_text(f"{text}\n", encoding="utf-8")
        partial.replace(file)  # a reader finds the old file or the new one, never half of it
    except OSError as error:
        message = (
            f"{str(file)!r} cannot be written: {error.strerror}. Give this user the right to write "
            "into the model's folder, or pass first_stage_weight as an option."
        )
        raise ModelError(message) from error
    return file


def _content(file: Path) -> dict[str, Any]:
    """The object in the file; `{}` if there is no such file."""
    try:
        content = load_json(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        message = (
            f"{str(file)!r} cannot be read: {error.strerror}. Give this user the right to read it, "
            "or remove it."
        )
        raise ModelError(message) from error
    except ValueError as error:
        message = (
            f"{str(file)!r} is not JSON ({error}). Write for example "
            '{"first_stage_weight": 1.5}, or remove the file.'
        )
        raise ModelError(message) from error
    if not isinstance(content, dict):
        message = (
            f"{str(file)!r} must hold a JSON object, but has {described(content)}. Write for "
            'example {"first_stage_weight": 1.5}, or remove the file.'
        )
        raise ModelError(message)
    return content
