"""Which model a folder holds."""

from collections.abc import Iterable
from pathlib import Path

from rerank_plugins.models.digests import text_digest
from rerank_plugins.models.files import model_files
from rerank_plugins.models.known_digests import known_digest


def model_digest(folder: Path) -> str:
    """One sha256 over the names and contents of the files that a model is made of.

    This is the package's one answer to whether two folders hold the same model. Compiled graphs,
    kept scores and interrupted trainings are found again by it.
    """
    return files_digest(folder, model_files(folder))


def files_digest(folder: Path, files: Iterable[Path]) -> str:
    """One sha256 over the names, relative to the folder, and the contents of files."""
    return text_digest(
        f"{file.relative_to(folder).as_posix()} {known_digest(file)}" for file in files
    )
