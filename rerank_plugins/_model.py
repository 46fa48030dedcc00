"""A model reference -> a folder with a cross-encoder in it, or an error that says what to do."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rerank_plugins._commands import command
from rerank_plugins._inspection import inspect
from rerank_plugins._model_files import CODE, TEXTS, WEIGHTS, Files, files_now
from rerank_plugins._spelling import option
from rerank_plugins._validation import described
from rerank_plugins.errors import (
    HubUnreachableError,
    InvalidInputError,
    ModelAccessError,
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
    precision: str = "fp32"
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
    """The settings with whole paths: they stay right when the process changes its folder."""
    model, cache = settings.model, settings.cache_folder
    if model != EMBEDDED and is_on_disk(model):
        model = str(Path(model).expanduser().resolve())
    try:
        cache = cache and cache.expanduser().absolute()
    except (RuntimeError, OSError) as error:  # no such home, no folder to be in
        message = f"cache_folder={str(cache)!r} cannot be looked for: {error}. Give a whole path."
        raise InvalidInputError(message) from error
    return replace(settings, model=model, cache_folder=cache)


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
        ModelError: The folder or a file in it may not be read.
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
    snapshot = _download(settings, TEXTS)
    _inspect(snapshot, settings, weights_listed=False)
    code = CODE if settings.trust_remote_code else ()
    snapshot = _download(settings, (*TEXTS, *WEIGHTS, *code))
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


def _download(settings: ModelSettings, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    model, revision = settings.model, settings.revision
    token = settings.token() if callable(settings.token) else settings.token
    # A proxy that refuses, or a connection that breaks, is an error of the HTTP library below the
    # hub's client. The client's own derive from that library's base, whichever it is, and OSError.
    failed: Any = HfHubHTTPError.__bases__
    try:
        return Path(
            snapshot_download(
                model,
                revision=revision,
                cache_dir=settings.cache_folder,
                local_files_only=settings.local_files_only,
                token=(token or "").strip() or None,  # a variable may be set, and blank
                allow_patterns=list(patterns),
            )
        )
    except GatedRepoError as error:
        message = (
            f"The hub model {model!r} is gated. Ask for access on its page, then pass token= or "
            f"type: {command('hf')} auth login"
        )
        raise ModelAccessError(message) from error
    except RepositoryNotFoundError as error:
        message = (
            f"There is no directory {called(model)}, and the hub has no model of that name that "
            "you may read. Check the spelling (owner/name); for a private model pass token= or "
            f"type: {command('hf')} auth login"
        )
        raise ModelNotFoundError(message) from error
    except RevisionNotFoundError as error:
        message = f"The hub model {model!r} has no revision {revision!r}."
        raise ModelNotFoundError(message) from error
    except HFValidationError as error:
        message = f"{called(model)} is neither a directory nor a hub id (owner/name)."
        raise ModelNotFoundError(message) from error
    except LocalEntryNotFoundError as error:
        reason = (
            f"is not in the local cache, and {option('local_files_only', True)} or the hub's "
            "offline mode forbids asking the hub"
            if settings.local_files_only
            or isinstance(error.__cause__, (OfflineModeIsEnabled, type(None)))
            else "is not in the local cache, and the hub did not answer"
        )
        message = (
            f"There is no directory {called(model)}, and the hub model of that name {reason}. "
            f"{_without_network()}"
        )
        raise HubUnreachableError(message) from error
    except failed as error:
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        message = (
            f"The hub model {called(model)} could not be downloaded ({reason}). If it was before, "
            f"pass {option('local_files_only', True)}. {_without_network()}"
        )
        raise HubUnreachableError(message) from error


def _without_network() -> str:
    return (
        f"Without a network, use {option('model', 'embedded')} (the model that ships with this "
        "package) or a local directory with a saved cross-encoder."
    )
