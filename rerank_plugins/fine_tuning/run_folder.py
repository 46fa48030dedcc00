"""Output folders of training runs: only files that a run made are overwritten or removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option


def check_free(folder: Path, names: Sequence[str], run: str) -> None:
    """Refuses a folder in which a run would overwrite existing files.

    Args:
        folder: The output folder; it need not exist.
        names: Names of the files and folders that the run makes there.
        run: The kind of run, as messages call it.

    Raises:
        InvalidInputError: One of the names is taken.
    """
    taken = [name for name in names if (folder / name).exists() or (folder / name).is_symlink()]
    if taken:
        message = (
            f"{folder} holds {', '.join(taken)}, which no {run} made and which this one would "
            f"overwrite. Give another output folder, for example "
            f"{option('output', str(folder / 'run'))}, or move the old files away yourself."
        )
        raise InvalidInputError(message)


def remove(path: Path) -> None:
    """Removes a file or folder that a run made, if it exists; a link's target stays.

    Raises:
        InvalidInputError: It cannot be removed.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        message = (
            f"{path} cannot be removed: {error.strerror or error}. Give another output folder, for "
            f"example {option('output', str(path.parent / 'run'))}, or remove it yourself."
        )
        raise InvalidInputError(message) from error


def write_record(file: Path, values: Mapping[str, Any]) -> None:
    """Writes the record by which a later start recognises the run, whole or not at all."""
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(file)
