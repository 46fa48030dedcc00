"""What files, folders and models are called in what is shown."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

_TELLS_NOTHING = re.compile(r"model|final|checkpoint-\d+")
"""What training programs call every folder that they save a model in."""


def last_name(path: str | Path) -> str:
    """The last part of a path or a hub id; of `.` and `..` that of the folder that they mean."""
    name = Path(path).name
    return Path(path).resolve().name if name in ("", "..") else name


def model_name(reference: str) -> str:
    """One model's name, where it stands alone."""
    return model_names([reference])[reference]


def model_names(references: Sequence[str]) -> dict[str, str]:
    """Returns each model's name by its reference: short, and no two the same.

    A name is the last part of a path or a hub id. Parts before it are added where it tells
    nothing (`run/model`, `run/checkpoint-100`), and where another model has the same name.

    Args:
        references: Folders and hub ids, all different.
    """
    parts = {reference: _parts(reference) for reference in references}
    shown = {
        reference: 2 if _TELLS_NOTHING.fullmatch(names[-1]) else 1
        for reference, names in parts.items()
    }
    while True:
        found = {
            reference: "/".join(names[-shown[reference] :]) for reference, names in parts.items()
        }
        count = Counter(found.values())
        alike = [reference for reference, name in found.items() if count[name] > 1]
        longer = [reference for reference in alike if shown[reference] < len(parts[reference])]
        if not longer:  # one folder written in two ways is called as it was written
            return {**found, **{reference: reference for reference in alike}}
        for reference in longer:
            shown[reference] += 1


def _parts(reference: str) -> list[str]:
    """The parts of a hub id, or of a folder's whole path."""
    path = Path(reference)
    whole = Path(os.path.normpath(Path.cwd() / path)) if path.is_dir() else path
    return [part for part in whole.parts if part != whole.anchor] or [reference]
