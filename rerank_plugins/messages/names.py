"""Names of files, folders and models in messages and reports."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

_GENERIC = re.compile(r"model|final|checkpoint-\d+")
"""Names that training programs give to every folder with a model."""


def last_name(path: str | Path) -> str:
    """The last part of a path or a hub id; `.` and `..` get the name of their folder."""
    name = Path(path).name
    return Path(path).resolve().name if name in ("", "..") else name


def model_name(reference: str) -> str:
    """The name of one model, if no other is shown beside it."""
    return model_names([reference])[reference]


def served_name(reference: str | os.PathLike[str]) -> str:
    """The name that clients of a server call a model by: a hub id, or the name of a folder."""
    return model_name(str(reference)) if _is_folder(Path(reference)) else str(reference)


def model_names(references: Sequence[str]) -> dict[str, str]:
    """Returns a short name for each model, by its reference; no two names are equal.

    A name is the last part of a path or a hub id. Earlier parts are added if the last one is
    generic (`run/model`, `run/checkpoint-100`) or if another model has the same name.

    Args:
        references: Folders and hub ids, all different.
    """
    parts = {reference: _parts(reference) for reference in references}
    shown = {
        reference: 2 if _GENERIC.fullmatch(names[-1]) else 1 for reference, names in parts.items()
    }
    while True:
        found = {
            reference: "/".join(names[-shown[reference] :]) for reference, names in parts.items()
        }
        count = Counter(found.values())
        alike = [reference for reference, name in found.items() if count[name] > 1]
        longer = [reference for reference in alike if shown[reference] < len(parts[reference])]
        if not longer:  # one folder written in two ways keeps both spellings
            return {**found, **{reference: reference for reference in alike}}
        for reference in longer:
            shown[reference] += 1


def _parts(reference: str) -> list[str]:
    """The parts of a hub id, or of a folder's whole path."""
    path = Path(reference)
    whole = Path(os.path.normpath(Path.cwd() / path)) if _is_folder(path) else path
    return [part for part in whole.parts if part != whole.anchor] or [reference]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # reported when the model is loaded
        return False
