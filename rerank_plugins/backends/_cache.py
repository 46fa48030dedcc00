"""Graphs compiled on the fly, kept under the platform's cache folder for the next process."""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from rerank_plugins._model import ModelSettings
from rerank_plugins.backends._bundle import (
    FORMAT,
    Manifest,
    model_digest,
    read_bundle,
    text_digest,
)
from rerank_plugins.backends._compilation import compile_into, versions_for
from rerank_plugins.errors import BundleError
from rerank_plugins.results import Plan


def cached_bundle(settings: ModelSettings, folder: Path, plan: Plan) -> tuple[Path, Manifest]:
    """The bundle of the model in `folder` for a plan, compiled now if the cache has none.

    Processes that start at once compile it once: the others wait. A bundle appears under its
    name whole or not at all, so a process that is killed leaves nothing that could be read.

    Raises:
        ModelError: The model cannot be compiled.
        MissingExtraError: Compiling needs packages that are not installed.
    """
    digest = model_digest(folder)
    # One graph serves fp32 and bf16, which differ in how it is run.
    precision = "int8" if plan.precision == "int8" else "fp32"
    key = _key(digest, plan.backend, precision)
    bundle = _folder() / key
    manifest = _read_whole(bundle)
    if manifest is not None:
        return bundle, manifest
    with FileLock(bundle.with_name(f"{key}.lock")):
        manifest = _read_whole(bundle)  # another process may have been first
        if manifest is None:
            for left in bundle.parent.glob(f"{key}.*.partial"):  # by a process that was killed
                shutil.rmtree(left)
            partial = Path(tempfile.mkdtemp(".partial", f"{key}.", bundle.parent))
            try:
                compile_into(
                    partial,
                    settings,
                    folder,
                    digest=digest,
                    backend=plan.backend,
                    precision=precision,
                )
                shutil.rmtree(bundle, ignore_errors=True)  # damaged, if it is there
                partial.replace(bundle)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            manifest = read_bundle(bundle)
    return bundle, manifest


def _key(digest: str, backend: str, precision: str) -> str:
    """The name of a bundle: equal exactly where the graphs are.

    Versions count because they write the graph. The processor and the scorer's options do not: a
    graph is fitted to the processor each time it is loaded, and takes pairs of any length.
    """
    versions = versions_for(backend, precision, shipped=False)
    parts = [FORMAT, digest, backend, precision, *(f"{k} {v}" for k, v in versions.items())]
    return text_digest(parts)[:32]


def _read_whole(bundle: Path) -> Manifest | None:
    """The manifest of a bundle that is there and undamaged."""
    try:
        return read_bundle(bundle)
    except BundleError:
        return None


@functools.cache
def _folder() -> Path:
    """Where compiled graphs are kept; for this process alone where the cache is read-only."""
    folder = user_cache_path("rerank-plugins") / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    folder = Path(tempfile.mkdtemp(prefix="rerank-plugins-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
