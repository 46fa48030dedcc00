"""What a model's folder says about how to rank with the model: `rerank_plugins.json`."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_plugins.errors import ModelError
from rerank_plugins.messages.values import described
from rerank_plugins.models.files import OWN_SETTINGS_FILE


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """Settings of rankings that belong to a model; `None` where its folder says nothing.

    Attributes:
        first_stage_weight: Logits per bonus of one from the first stage.
    """

    first_stage_weight: float | None = None


def read_own_settings(folder: Path) -> OwnSettings:
    """The settings in a model's folder; keys that this version does not know are left alone.

    Raises:
        ModelError: The file is not readable, holds no JSON object, or its weight is not a finite
            number of at least 0.
    """
    file = folder / OWN_SETTINGS_FILE
    weight = _content(file).get("first_stage_weight")
    if weight is None:
        return OwnSettings()
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not number or not 0 <= weight < math.inf:
        message = (
            f"{str(file)!r} must give first_stage_weight as a finite number >= 0, but has "
            f'{described(weight)}. Write for example {{"first_stage_weight": 1.5}}, or remove it.'
        )
        raise ModelError(message)
    return OwnSettings(float(weight))


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
    content = {**_content(file), "first_stage_weight": settings.first_stage_weight}
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
        content = json.loads(file.read_text(encoding="utf-8"))
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
