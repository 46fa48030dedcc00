"""A model reference -> a folder with a cross-encoder in it, or an error that says what to do."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from rerank_plugins._hub import download_model
from rerank_plugins._inspection import inspect
from rerank_plugins._model_files import CODE, TEXTS, WEIGHTS, Files, files_now
from rerank_plugins._spelling import option
from rerank_plugins._validation import described
from rerank_plugins.errors import (
    InvalidInputError,
    ModelError,
    ModelNotFoundError,
    UnsupportedOptionError,
)

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """All that decides which model is loaded and how; equal settings share one model."""

    model: str
    revision: str | None = None
    device: str | None = None
    backend: str = "auto"
    precision: str | None = None
    local_files_only: bool = False
    token: str | Callable[[], str | None] | None = field(default=None, repr=False)
    cache_folder: Path | None = None
    trust_remote_code: bool = False


def check_reference(model: Any) -> str:
    """The reference as a string, if it can be a hub id, a directory or `"embedded"`."""
    if not isinstance(model, (str, os.PathLike)) or not str(model).strip():
        message = (
            f"model must be a hub id, a local directory or 'embedded', but got {model!r}. "
            "Pass for example 'cross-encoder/ms-marco-MiniLM-L4-v2'."
        )
        raise InvalidInputError(message)
    reference = os.fspath(model)
    try:
        is_on_disk(reference)
    except (RuntimeError, OSError, ValueError) as error:  # no such home, a name too long, a NUL
        reason = error.strerror if isinstance(error, OSError) else error
        message = (
            f"model must be a hub id, a local directory or 'embedded', and {described(model)} "
            f"cannot be looked for: {reason}."
        )
        raise InvalidInputError(message) from error
    return reference


def is_on_disk(model: str) -> bool:
    """Whether no hub is asked for the model."""
    try:
        return model == EMBEDDED or Path(model).expanduser().is_dir()
    except PermissionError:  # said when it is loaded
        return True


def located_now(settings: ModelSettings) -> ModelSettings:
    """The settings with whole paths, which stay right when the process changes its folder.

    And with what `precision=None` means: scorers that say so share a model with those that do not.
    """
    model, cache = settings.model, settings.cache_folder
    if model != EMBEDDED and is_on_disk(model):
        model = str(Path(model).expanduser().resolve())
    try:
        cache = cache and cache.expanduser().absolute()
    except (RuntimeError, OSError) as error:  # no such home, no folder to be in
        message = f"cache_folder={str(cache)!r} cannot be looked for: {error}. Give a whole path."
        raise InvalidInputError(message) from error
    precision = settings.precision
    if precision is None and not is_bundle(Path(model)):  # a bundle has one of its own
        precision = "fp32"
    return replace(settings, model=model, precision=precision, cache_folder=cache)


def files_of(model: str) -> Files:
    """The files of a model on this disk that are loaded; they may be rewritten meanwhile."""
    if model == EMBEDDED or not is_on_disk(model):
        return ()
    folder = Path(model).expanduser()
    with suppress(OSError):
        return files_now(folder)
    return ()  # said when it is loaded


def locate(settings: ModelSettings) -> Path:
    """The folder with the model's files, downloaded if need be, after a look into them.

    A compiled bundle is looked into where it is read.

    Raises:
        ModelNotFoundError: No such folder, hub id or revision.
        ModelAccessError: The hub wants a token with access to the model.
        HubUnreachableError: The hub does not answer and the cache does not have the model, or a
            proxy refuses or the connection breaks.
        NotACrossEncoderError: The model has no head that scores pairs.
        UnsafeWeightsError: The model has no safetensors weights.
        UnsupportedOptionError: The model needs `trust_remote_code=True`.
        ModelError: The folder or a file in it may not be read, or the folder for hub models
            may not be written, has no space, or cannot be found.
    """
    try:
        return _located(settings)
    except ModelError:  # one of them is a PermissionError too
        raise
    except PermissionError as error:
        message = (
            f"{settings.model!r} cannot be read: no permission for {error.filename}. Give this "
            "user the right to read the folder and all in it."
        )
        raise ModelError(message) from error


def check_path(model: str) -> None:
    """Refuses a reference that can only be a folder's path, and no folder has it.

    Raises:
        ModelNotFoundError: There is no such folder.
    """
    path = Path(model).expanduser()
    if model == EMBEDDED or path.is_dir():
        return
    if path.is_file():
        message = f"{model!r} is a file. Pass the directory that holds the model."
        raise ModelNotFoundError(message)
    if _looks_like_a_path(model):
        message = (
            f"There is no directory {model!r}. Check the path, or pass a hub id such as "
            "'cross-encoder/ms-marco-MiniLM-L4-v2'."
        )
        raise ModelNotFoundError(message)


def _located(settings: ModelSettings) -> Path:
    check_path(settings.model)
    folder = EMBEDDED_FOLDER if settings.model == EMBEDDED else Path(settings.model).expanduser()
    if folder.is_dir():
        if settings.revision is not None:
            message = (
                f"{option('revision', settings.revision)} is for hub models, and "
                f"{settings.model!r} is on this disk. Leave {option('revision')} out."
            )
            raise UnsupportedOptionError(message)
        if not is_bundle(folder):
            _inspect(folder, settings)
        return folder
    download = partial(
        download_model,
        settings.model,
        shown=called(settings.model),
        revision=settings.revision,
        cache_folder=settings.cache_folder,
        local_files_only=settings.local_files_only,
        token=settings.token() if callable(settings.token) else settings.token,
    )
    snapshot = download(TEXTS)
    _inspect(snapshot, settings, weights_listed=False)
    code = CODE if settings.trust_remote_code else ()
    snapshot = download((*TEXTS, *WEIGHTS, *code))
    _inspect(snapshot, settings)
    return snapshot


def _inspect(folder: Path, settings: ModelSettings, *, weights_listed: bool = True) -> None:
    trusted = settings.trust_remote_code
    inspect(folder, settings.model, trust_remote_code=trusted, weights_listed=weights_listed)


def is_bundle(folder: Path) -> bool:
    """Whether the folder holds a compiled bundle, and not a model beside a file of that name."""
    return (folder / MANIFEST_FILE).is_file() and not (folder / "config.json").is_file()


def called(model: str) -> str:
    """A reference for a message, with the name that was meant where it is nearly that one."""
    near = get_close_matches(model.lower(), [EMBEDDED], cutoff=0.75)
    return f"{model!r} (did you mean {EMBEDDED!r}?)" if near else repr(model)


def _looks_like_a_path(model: str) -> bool:
    """Hub ids are `name` or `owner/name`; everything else can only be a path."""
    return model.startswith((".", "/", "~", "\\")) or "\\" in model or model.count("/") > 1
