"""Finds the folder of a model, or raises an error that says what to do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rerank_plugins.errors import (
    ModelError,
    UnsupportedOptionError,
)
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.files import (
    CODE,
    TEXTS,
    WEIGHTS,
    Files,
    code_repositories,
    files_now,
    has_weights,
    unread_weights,
    weight_names,
)
from rerank_plugins.models.hub import check_answers, download_model, kept_model
from rerank_plugins.models.inspection import inspect
from rerank_plugins.models.references import (
    EMBEDDED,
    EMBEDDED_FOLDER,
    called,
    check_path,
    is_bundle,
    is_on_disk,
)
from rerank_plugins.models.settings import ModelSettings


def files_of(model: str) -> Files:
    """The state of a local model's files; empty for the hub and the embedded model."""
    if model == EMBEDDED or not is_on_disk(model):
        return ()
    folder = Path(model).expanduser()
    with suppress(OSError):
        return files_now(folder)
    return ()  # reported when the model is loaded


def locate(settings: ModelSettings, accept: Callable[[Path], None] | None = None) -> Path:
    """Downloads the model if necessary, checks that it can score pairs, and returns its folder.

    A compiled bundle is checked when it is read.

    Args:
        settings: The model's settings.
        accept: Is given the folder before the weights are downloaded, and raises an error if they
            would be of no use here.

    Raises:
        ModelNotFoundError: No such folder, hub id or revision.
        ModelAccessError: The hub requires a token with access to the model.
        HubUnreachableError: The hub does not answer and the cache does not have the model, a proxy
            refuses the connection, or the connection breaks.
        NotACrossEncoderError: The model has no head for scoring pairs.
        UnsafeWeightsError: The model has no safetensors weights.
        UnsupportedOptionError: The model needs `trust_remote_code=True`.
        ModelError: The folder or a file in it is not readable, the cache folder cannot be written
            or found, or the disk is full.
    """
    with _readable(settings.model):
        folder = _located(settings, accept)
        if settings.trust_remote_code:
            _fetch_code_of_others(folder, settings)
        return folder


def without_weights(settings: ModelSettings) -> Path | None:
    """The folder of a model whose weights are not on this disk; `None` if they are.

    Configuration and tokenizer of a hub model are downloaded if necessary, and checked.

    Raises:
        ModelError: As `locate`, as far as it needs no weights.
    """
    with _readable(settings.model):
        folder = _on_disk(settings) or download_model(
            patterns=TEXTS, cache_folder=settings.cache_folder, **_asked(settings)
        )
        if is_bundle(folder) or has_weights(folder):
            return None
        some = any(folder.rglob("*.safetensors")) or unread_weights(folder)
        if is_on_disk(settings.model) and some:
            return None  # loading it says what is wrong with them
        _inspect(folder, settings, weights_listed=False)
        return folder


def folder_here(settings: ModelSettings) -> Path | None:
    """The model's folder if it is on this disk, downloaded or not; nothing is asked of a hub."""
    if is_on_disk(settings.model):
        return EMBEDDED_FOLDER if settings.model == EMBEDDED else Path(settings.model).expanduser()
    try:
        return locate(replace(settings, local_files_only=True))
    except ModelError:
        return None


@contextmanager
def _readable(model: str) -> Iterator[None]:
    """Says what to do about files of a model that this user may not read."""
    try:
        yield
    except ModelError:  # one of them is a PermissionError too
        raise
    except PermissionError as error:
        message = (
            f"{model!r} cannot be read: no permission for {error.filename}. Give this user the "
            "right to read the folder and all in it."
        )
        raise ModelError(message) from error


def _on_disk(settings: ModelSettings) -> Path | None:
    """The model's folder, if the hub need not, or must not, be asked for it."""
    check_path(settings.model)
    folder = EMBEDDED_FOLDER if settings.model == EMBEDDED else Path(settings.model).expanduser()
    if folder.is_dir():
        if settings.revision is not None:
            message = (
                f"{option('revision', settings.revision)} is for hub models, and "
                f"{settings.model!r} is on this disk. Leave {option('revision')} out."
            )
            raise UnsupportedOptionError(message)
        return folder
    # Only the hub's client knows whether all code of a model's own is there.
    return None if settings.trust_remote_code else kept_model(settings)


def _located(settings: ModelSettings, accept: Callable[[Path], None] | None) -> Path:
    if folder := _on_disk(settings):
        if not is_bundle(folder):
            _inspect(folder, settings)
        if accept is not None:
            accept(folder)
        return folder
    asked = _asked(settings)
    download = partial(download_model, cache_folder=settings.cache_folder, **asked)
    snapshot = download(patterns=TEXTS)
    _inspect(snapshot, settings, weights_listed=False)
    if accept is not None:
        accept(snapshot)
    # Code of a model's own may read any weights; the libraries read only those that they name.
    rest = (*WEIGHTS, *CODE) if settings.trust_remote_code else weight_names(snapshot)
    snapshot = download(patterns=(*TEXTS, *rest))
    if not has_weights(snapshot):
        check_answers(**asked)  # the hub's client is content with what was downloaded before
    _inspect(snapshot, settings)
    return snapshot


def _fetch_code_of_others(folder: Path, settings: ModelSettings) -> None:
    """Downloads the code that a model has in other repositories to where transformers looks."""
    for repository in code_repositories(folder):
        download_model(
            repository,
            CODE,
            shown=called(repository),
            revision=None,
            cache_folder=None,
            local_files_only=settings.local_files_only,
            token=_token(settings),
        )


def _asked(settings: ModelSettings) -> dict[str, Any]:
    """What the hub is asked for a model by."""
    return {
        "model": settings.model,
        "shown": called(settings.model),
        "revision": settings.revision,
        "local_files_only": settings.local_files_only,
        "token": _token(settings),
    }


def _token(settings: ModelSettings) -> str | None:
    return settings.token() if callable(settings.token) else settings.token


def _inspect(folder: Path, settings: ModelSettings, *, weights_listed: bool = True) -> None:
    trusted = settings.trust_remote_code
    inspect(folder, settings.model, trust_remote_code=trusted, weights_listed=weights_listed)
