"""Downloads hub models, with an error that says what went wrong where."""

import errno
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rerank_plugins.errors import (
    HubUnreachableError,
    ModelAccessError,
    ModelError,
    ModelNotFoundError,
)
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.files import TWINS, WEIGHTS_FILE
from rerank_plugins.models.settings import ModelSettings

_DISK_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG),
}
_DISK_WORDS = re.compile("home directory|No space left|Permission denied|Read-only file system")


def kept_model(settings: ModelSettings) -> Path | None:
    """The folder of a hub model whose weights are in the cache, if the hub must not be asked.

    The hub's client would find the same folder, but importing it is a quarter of a start.
    """
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE

    if not (settings.local_files_only or HF_HUB_OFFLINE):
        return None
    name = f"models--{settings.model.replace('/', '--')}"
    place = Path(settings.cache_folder or HF_HUB_CACHE) / name
    commit = settings.revision or "main"
    with suppress(OSError):  # it is no branch or tag
        commit = (place / "refs" / commit).read_text(encoding="utf-8")
    folder = place / "snapshots" / commit
    return folder if (folder / WEIGHTS_FILE).is_file() else None


def download_model(
    model: str,
    patterns: Sequence[str],
    *,
    shown: str,
    revision: str | None,
    cache_folder: Path | None,
    local_files_only: bool,
    token: str | None,
) -> Path:
    """Downloads the files of a hub model that match the patterns, and returns their folder.

    Files that are in the cache are not downloaded again. Messages name the model as in `shown`.

    Raises:
        ModelNotFoundError: The hub has no such model or revision.
        ModelAccessError: The hub requires a token with access to the model.
        HubUnreachableError: The hub does not answer and the cache does not have the model, a proxy
            refuses the connection, or the connection breaks.
        ModelError: The cache folder cannot be written or found, or the disk is full.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(
            snapshot_download(
                model,
                revision=revision,
                cache_dir=cache_folder,
                local_files_only=local_files_only,
                token=(token or "").strip() or None,  # the variable may be set but blank
                allow_patterns=list(patterns),
                ignore_patterns=list(TWINS),
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
            f"There is no directory {shown}, and the hub has no model of that name that you may "
            "read. Check the spelling (owner/name); for a private model pass token= or type: "
            f"{command('hf')} auth login"
        )
        raise ModelNotFoundError(message) from error
    except RevisionNotFoundError as error:
        message = f"The hub model {model!r} has no revision {revision!r}."
        raise ModelNotFoundError(message) from error
    except HFValidationError as error:
        message = f"{shown} is neither a directory nor a hub id (owner/name)."
        raise ModelNotFoundError(message) from error
    except LocalEntryNotFoundError as error:
        reason = (
            f"is not in the local cache, and {option('local_files_only', True)} or the hub's "
            "offline mode forbids asking the hub"
            if local_files_only or isinstance(error.__cause__, (OfflineModeIsEnabled, type(None)))
            else "is not in the local cache, and the hub did not answer"
        )
        wanted = "the hub model of that name"
        if revision is not None:
            wanted = f"revision {revision!r} of {wanted}"
        message = f"There is no directory {shown}, and {wanted} {reason}. {_without_network()}"
        raise HubUnreachableError(message) from error
    # The HTTP library below the hub's client has errors of its own, also for proxy settings of the
    # environment that cannot be used; they differ between the client's versions.
    except Exception as error:
        if _is_local(error):
            raise _not_kept(model, cache_folder or HF_HUB_CACHE, error) from error
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        message = (
            f"The hub model {shown} could not be downloaded ({reason}). If it was before, pass "
            f"{option('local_files_only', True)}. {_without_network()}"
        )
        raise HubUnreachableError(message) from error


def check_answers(
    model: str, *, shown: str, revision: str | None, local_files_only: bool, token: str | None
) -> None:
    """Checks that the hub answers, when no weights of a model have come.

    Raises:
        HubUnreachableError: It does not, or must not be asked.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_OFFLINE

    reason = f"{option('local_files_only', True)} or its offline mode forbids asking it"
    if not (local_files_only or HF_HUB_OFFLINE):
        try:
            HfApi().model_info(
                model, revision=revision or "main", token=(token or "").strip() or None
            )
        except Exception as error:  # as above
            reason = f"it did not answer ({type(error).__name__}: {error})".replace(": )", ")")
        else:
            return
    at = "" if revision is None else f" at revision {revision!r}"
    message = (
        f"The weights of the hub model {shown}{at} are not in the local cache, and the hub cannot "
        f"give them: {reason}. {_without_network()}"
    )
    raise HubUnreachableError(message)


def _is_local(error: Exception) -> bool:
    """Whether the disk of this machine caused the error, not the network."""
    if isinstance(error, RuntimeError):  # raised by pathlib, and by the part of the client in Rust
        return _DISK_WORDS.search(str(error)) is not None
    if not isinstance(error, OSError) or isinstance(error, (ConnectionError, TimeoutError)):
        return False
    return error.filename is not None or error.errno in _DISK_ERRORS


def _not_kept(model: str, folder: Path | str, error: Exception) -> ModelError:
    reason = getattr(error, "strerror", None) or str(error).strip().rstrip(".")
    if file := getattr(error, "filename", None):
        reason = f"{reason}: {file}"
    message = (
        f"The hub model {model!r} cannot be kept in {folder}: {reason}. Free some space there, or "
        "name a folder that can be written (cache_folder=, HF_HOME)."
    )
    return ModelError(message)


def _without_network() -> str:
    return (
        f"Without a network, use {option('model', 'embedded')} (the model that ships with this "
        "package) or a local directory with a saved cross-encoder."
    )
