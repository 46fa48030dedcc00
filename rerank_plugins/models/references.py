"""What a model reference can be: a hub id, a folder, a bundle or `"embedded"`."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rerank_plugins.errors import (
    InvalidInputError,
    ModelNotFoundError,
)
from rerank_plugins.messages.values import described

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parents[1] / "embedded"

MANIFEST_FILE = "manifest.json"


def check_reference(model: Any, name: str = "model") -> str:
    """The reference as a string, if it can be a hub id, a directory or `"embedded"`."""
    if not isinstance(model, (str, os.PathLike)) or not str(model).strip():
        message = (
            f"{name} must be a hub id, a local directory or 'embedded', but got {model!r}. "
            "Pass for example 'cross-encoder/ms-marco-MiniLM-L4-v2'."
        )
        raise InvalidInputError(message)
    reference = os.fspath(model)
    try:
        is_on_disk(reference)
    except (RuntimeError, OSError, ValueError) as error:  # no such home, a name too long, a NUL
        reason = error.strerror if isinstance(error, OSError) else error
        message = (
            f"{name} must be a hub id, a local directory or 'embedded', and {described(model)} "
            f"cannot be looked up: {reason}."
        )
        raise InvalidInputError(message) from error
    return reference


def is_on_disk(model: str) -> bool:
    """Whether the model is on this disk, so that no hub is asked."""
    try:
        return model == EMBEDDED or Path(model).expanduser().is_dir()
    except PermissionError:  # reported when the model is loaded
        return True


def check_path(model: str) -> None:
    """Refuses a reference that can only be a path if there is no such folder.

    Raises:
        ModelNotFoundError: There is no such folder.
    """
    path = Path(model).expanduser()
    if model == EMBEDDED or path.is_dir():
        return
    if path.is_symlink() and not path.exists():
        message = (
            f"{model!r} is a link to {path.readlink()}, which is not there. Copy the directory "
            "itself (cp -rL follows links)."
        )
        raise ModelNotFoundError(message)
    if path.is_file():
        message = f"{model!r} is a file. Pass the directory that holds the model."
        raise ModelNotFoundError(message)
    if _looks_like_a_path(model):
        message = (
            f"There is no directory {model!r}. Check the path, or pass a hub id such as "
            "'cross-encoder/ms-marco-MiniLM-L4-v2'."
        )
        raise ModelNotFoundError(message)


def is_bundle(folder: Path) -> bool:
    """Whether the folder holds a compiled bundle, not a model beside a file of the same name."""
    try:
        return (folder / MANIFEST_FILE).is_file() and not (folder / "config.json").is_file()
    except PermissionError:  # reported when the model is loaded
        return False


def called(model: str) -> str:
    """A reference for a message; a misspelt `"embedded"` is followed by the right spelling."""
    near = get_close_matches(model.lower(), [EMBEDDED], cutoff=0.75)
    return f"{model!r} (did you mean {EMBEDDED!r}?)" if near else repr(model)


def _looks_like_a_path(model: str) -> bool:
    """Hub ids are `name` or `owner/name`; everything else can only be a path."""
    return model.startswith((".", "/", "~", "\\")) or "\\" in model or model.count("/") > 1
