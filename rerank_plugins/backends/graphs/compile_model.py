"""Compiles a cross-encoder into a bundle that loads without torch."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rerank_plugins.backends.choice import check_installed, choose
from rerank_plugins.backends.graphs.bundle import FORMAT
from rerank_plugins.checks.values import (
    check_choice,
    check_flag,
    check_folder,
    check_text,
    check_token,
)
from rerank_plugins.errors import InvalidInputError, RerankError, UnsupportedOptionError
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.files import OWN_FILES
from rerank_plugins.models.json_files import read_json
from rerank_plugins.models.location import locate
from rerank_plugins.models.references import MANIFEST_FILE, check_reference, is_bundle
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.folders import make_folder
from rerank_plugins.scoring.inputs import check_pairs

COMPILED_BACKENDS = ("openvino", "onnx")
COMPILED_PRECISIONS = ("fp32", "int8")


def compile_model(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    backend: str = "openvino",
    precision: str = "fp32",
    calibration: Iterable[tuple[str, str]] | None = None,
    revision: str | None = None,
    local_files_only: bool = False,
    token: str | Callable[[], str | None] | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
) -> Path:
    """Writes a bundle that `CrossEncoderScorer(output)` loads without torch or transformers.

    A bundle holds the graph, the tokenizer, and `manifest.json`: what it was compiled from and
    with, how it runs, and a checksum of each file.

    Args:
        model: Hub id, local directory, or `"embedded"`.
        output: A new or empty folder, or one with only a bundle in it, which is replaced.
        backend: `"openvino"` or `"onnx"`.
        precision: `"fp32"`, or on openvino `"int8"`. An fp32 graph of openvino also runs in bf16,
            which is chosen when the bundle is loaded.
        calibration: A few hundred (query, passage) pairs like those that will be scored, to
            calibrate int8 on. `None` takes the pairs in this package, which are in English.
        revision: Branch, tag or commit of a hub model.
        local_files_only: Never ask the hub; use the local cache.
        token: Hub token, or a function that returns it.
        cache_folder: Folder for hub models; `None` is the Hugging Face default.

    Returns:
        The folder.

    Raises:
        InvalidInputError: An option is not allowed, or the folder holds other files.
        ModelError: The model cannot be loaded, or cannot be compiled that way.
        MissingExtraError: A package that this needs is not installed.
    """
    settings = ModelSettings(
        model=check_reference(model),
        revision=None if revision is None else check_text(revision, "revision"),
        device="cpu",
        backend=check_choice(backend, "backend", COMPILED_BACKENDS),
        precision=check_choice(precision, "precision", COMPILED_PRECISIONS),
        local_files_only=check_flag(local_files_only, "local_files_only"),
        token=check_token(token, "token"),
        cache_folder=check_folder(cache_folder, "cache_folder"),
    )
    pairs = None if calibration is None else _checked(calibration, precision)
    target = _checked_target(output)
    check_installed(settings)
    folder = locate(settings)
    if is_bundle(folder):
        message = f"{settings.model!r} is a bundle already. Pass the model that it was made from."
        raise InvalidInputError(message)
    try:
        plan = choose(settings, folder)
    except UnsupportedOptionError as error:
        message = f"{error} Bundles are for openvino and onnx; torch runs a model without one."
        raise UnsupportedOptionError(message) from error
    from rerank_plugins.backends.graphs.compilation import compile_into
    from rerank_plugins.models.identity import model_digest

    make_folder(target.parent)
    partial = Path(tempfile.mkdtemp(".partial", f"{target.name}.", target.parent))
    try:
        compile_into(
            partial,
            settings,
            folder,
            digest=model_digest(folder),
            backend=plan.backend,
            precision=plan.precision,
            calibration=pairs,
        )
        for name in OWN_FILES:  # after the checksums: users may write them
            if (folder / name).is_file():
                shutil.copyfile(folder / name, partial / name)
        partial.chmod(0o755)  # temporary folders are readable for their owner only
        _put_in_place(partial, target)
    except RerankError:  # some are an OSError too
        raise
    except OSError as error:
        message = (
            f"{target} cannot be written: {error.strerror or error}. Free some space there, or "
            "give another output folder."
        )
        raise InvalidInputError(message) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _put_in_place(made: Path, target: Path) -> None:
    """Replaces the target; an interruption leaves either the old folder or the new one."""
    old = made.with_suffix(".old")
    try:
        if target.exists():
            target.rename(old)
        made.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(old, ignore_errors=True)


def _checked(calibration: Iterable[tuple[str, str]], precision: str) -> list[tuple[str, str]]:
    if precision != "int8":
        message = (
            f"{option('calibration')} is for {option('precision', 'int8')}; got "
            f"{option('precision', precision)}. Leave it out."
        )
        raise InvalidInputError(message)
    pairs = check_pairs(calibration)
    if not pairs:
        message = (
            f"{option('calibration')} holds no pairs. Pass a few hundred, or leave it out for "
            "those that ship."
        )
        raise InvalidInputError(message)
    return pairs


def _checked_target(given: Any) -> Path:
    """The output folder, if writing it would delete nothing but a bundle."""
    folder = check_folder(given, "output")
    if folder is None:
        message = "output must be a folder's path, but got None. Name the folder to write."
        raise InvalidInputError(message)
    output = folder.expanduser().resolve()
    lost = output.name if output.is_file() else _not_of_a_bundle(output)
    if lost is not None:
        message = (
            f"Writing to {str(output)!r} would delete {lost!r}, which is not a bundle's. Pass a "
            "new or empty folder, or a bundle to replace; or delete what is there yourself."
        )
        raise InvalidInputError(message)
    return output


def _not_of_a_bundle(folder: Path) -> str | None:
    """The name of a file or folder in it that belongs to no bundle, if there is one.

    Bundles of other versions count as bundles, because users are advised to compile them again.
    """
    manifest = read_json(folder / MANIFEST_FILE)
    checksums = manifest.get("sha256")
    ours = str(manifest.get("format")).startswith(FORMAT.rstrip("0123456789"))
    written = (
        {MANIFEST_FILE, *OWN_FILES, *checksums} if ours and isinstance(checksums, dict) else set()
    )
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((each.name for each in entries if each.is_dir() or each.name not in written), None)
