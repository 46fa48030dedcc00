"""Output folders of training runs: only files that a run made are overwritten or removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import Timeout

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.process.folders import make_folder
from rerank_plugins.process.locked import locked


@contextmanager
def sole_run(folder: Path) -> Iterator[None]:
    """Makes an output folder and keeps other runs out of it, those of other processes too.

    Raises:
        InvalidInputError: Another run is writing to the folder, or it cannot be made or written.
    """
    make_folder(folder)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / "fine_tuning.lock", timeout=0))
        except Timeout as error:
            message = (
                f"Another run is writing to {folder}. Wait until it has ended, or give another "
                f"output folder, for example {option('output', str(folder / 'run'))}."
            )
            raise InvalidInputError(message) from error
        except OSError as error:
            message = (
                f"{folder} cannot be written: {error.strerror or error}. Give another output "
                "folder, or this user the space and the right to write there."
            )
            raise InvalidInputError(message) from error
        yield


def check_inputs(folder: Path, names: Sequence[str], inputs: Sequence[Path]) -> None:
    """Refuses a folder in which a run would remove or overwrite what it starts from.

    Args:
        folder: The output folder; it need not exist.
        names: Names of the files and folders that the run makes there.
        inputs: The folders and files that the run reads.

    Raises:
        InvalidInputError: An input lies under one of the names.
    """
    for name in names:
        made = (folder / name).resolve()
        for given in inputs:
            if given.resolve().is_relative_to(made):
                message = (
                    f"{str(given)!r} lies in {folder}, which the run would overwrite. Give another "
                    "output folder."
                )
                raise InvalidInputError(message)


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
