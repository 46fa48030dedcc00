"""Makes folders for output."""

from pathlib import Path

from rerank_plugins.errors import InvalidInputError


def make_folder(folder: Path) -> None:
    """Makes an output folder and its parents, unless they exist.

    Raises:
        InvalidInputError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder} cannot be made: {error.strerror}. Give another output folder."
        raise InvalidInputError(message) from error
