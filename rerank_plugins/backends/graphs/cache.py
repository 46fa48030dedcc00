"""Quantises graphs on first use, and keeps them in the user's cache for later processes."""

import atexit
import functools
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from rerank_plugins.backends.graphs.bundle import FORMAT, Manifest, read_bundle
from rerank_plugins.backends.graphs.compilation import compile_into
from rerank_plugins.backends.graphs.versions import GRAPHS, versions_for
from rerank_plugins.errors import BundleError, ModelError, RerankError
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.digests import text_digest
from rerank_plugins.models.identity import model_digest
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.user_cache import remove_unused, user_cache

_FOLDER = "compiled"


def cached_bundle(settings: ModelSettings, folder: Path) -> tuple[Path, Manifest]:
    """The int8 bundle of the model in `folder` for OpenVINO, made now if the cache has none.

    If several processes start at once, one compiles and the others wait. A bundle appears under its
    name complete or not at all, so a killed process leaves no partial bundle.

    Raises:
        NoGraphError: The model has something that graphs do not know.
        ModelError: A file is damaged, weights are missing, or the bundle cannot be kept.
        MissingExtraError: Quantising needs packages that are not installed.
    """
    digest = model_digest(folder)
    key = _key(digest)
    cache = user_cache(_FOLDER)
    if cache is not None and (manifest := _read_whole(cache / key)) is not None:
        with suppress(OSError):  # a cache that cannot be written is still read
            os.utime(cache / key)
        return cache / key, manifest
    try:
        cache = _folder()
        bundle = cache / key
        return bundle, _compiled_once(bundle, settings, folder, digest)
    except RerankError:  # some are an OSError too
        raise
    except OSError as error:
        message = (
            f"What {settings.model!r} is quantised to cannot be kept in {cache or 'a folder'}: "
            f"{error.strerror or error}. Free some space there, have the cache elsewhere "
            f"(XDG_CACHE_HOME), or use {option('precision', 'fp32')}, which needs none."
        )
        raise ModelError(message) from error


def _compiled_once(bundle: Path, settings: ModelSettings, folder: Path, digest: str) -> Manifest:
    """Compiles a bundle under its name, unless another process has done so."""
    key = bundle.name
    with FileLock(bundle.with_name(f"{key}.lock")):
        manifest = _read_whole(bundle)  # another process may have been first
        if manifest is None:
            for left in bundle.parent.glob(f"{key}.*.partial"):  # left by a killed process
                shutil.rmtree(left)
            partial = Path(tempfile.mkdtemp(".partial", f"{key}.", bundle.parent))
            try:
                compile_into(
                    partial,
                    settings,
                    folder,
                    digest=digest,
                    backend="openvino",
                    precision="int8",
                )
                shutil.rmtree(bundle, ignore_errors=True)  # there only if it is damaged
                partial.chmod(0o755)  # so that other users can read what root compiled
                partial.replace(bundle)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            remove_unused(bundle.parent)
            manifest = read_bundle(bundle)
    return manifest


def _key(digest: str) -> str:
    """The name of a bundle, which is the same only for the same graph.

    It includes the versions of the libraries that write the graph. It does not include the
    processor and the options of a scorer, because a graph is fitted to the processor whenever it is
    loaded, and accepts pairs of any length.
    """
    versions = versions_for("openvino", "int8")
    written = [f"{package} {version}" for package, version in versions.items()]
    return text_digest([FORMAT, GRAPHS, digest, *written])[:32]


def _read_whole(bundle: Path) -> Manifest | None:
    """The manifest of a bundle; `None` if it is missing or damaged."""
    try:
        return read_bundle(bundle)
    except BundleError:
        return None


def _folder() -> Path:
    """Where compiled graphs are written: the user's cache, or a folder of this process alone."""
    cache = user_cache(_FOLDER)
    with suppress(OSError):
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)
            if os.access(cache, os.W_OK):
                return cache
    return _own_folder()


@functools.cache
def _own_folder() -> Path:
    """A temporary folder, removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="rerank-plugins-"))
    atexit.register(_remove_own, folder, os.getpid())
    return folder


def _remove_own(folder: Path, process: int) -> None:
    """Removes the folder when the process that made it ends; forked processes leave it alone."""
    if process == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)
