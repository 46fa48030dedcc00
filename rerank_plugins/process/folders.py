"""Folders that are written to."""

from pathlib import Path

from rerank_plugins.errors import InvalidInputError


def make_folder(folder: Path) -> None:
    """Makes the folder that is to be written to, with its parents, if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder} cannot be made: {error.strerror}. Give another output folder."
        raise InvalidInputError(message) from error
