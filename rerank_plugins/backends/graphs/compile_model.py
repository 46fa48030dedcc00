"""Compiles a cross-encoder into a folder that loads without torch."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from rerank_plugins.backends.architectures import NoGraphError, refused
from rerank_plugins.backends.choice import choose
from rerank_plugins.backends.graphs.output_folder import check_target, own_files_to_keep, written_to
from rerank_plugins.checks.values import (
    check_choice,
    check_flag,
    check_folder,
    check_text,
    check_token,
)
from rerank_plugins.errors import InvalidInputError, UnsupportedOptionError
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.files import OWN_FILES
from rerank_plugins.models.location import locate
from rerank_plugins.models.references import check_reference, is_bundle
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.scoring.inputs import check_pairs

COMPILED_BACKENDS = ("openvino", "onnx")
COMPILED_PRECISIONS = ("fp32", "int8")
LAYOUTS = ("bundle", "transformers.js")


def compile_model(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    layout: str = "bundle",
    backend: str = "openvino",
    precision: str = "fp32",
    calibration: Iterable[tuple[str, str]] | None = None,
    revision: str | None = None,
    local_files_only: bool = False,
    token: str | Callable[[], str | None] | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
) -> Path:
    """Writes a folder that runs a model without torch or transformers.

    A bundle is loaded by `CrossEncoderScorer(output)`. It holds the graph, the tokenizer, and
    `manifest.json`: what it was compiled from and with, how it runs, and a checksum of each file.
    The other layout is for transformers.js, in browsers and in Node: the graph in fp32 and in
    fp16, and what that library reads beside it.

    Args:
        model: Hub id, local directory, or `"embedded"`.
        output: A new or empty folder, or one that holds nothing but what was compiled into it,
            which is replaced.
        layout: `"bundle"` or `"transformers.js"`; the latter has neither backend nor precision.
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
    for_javascript = check_choice(layout, "layout", LAYOUTS) == "transformers.js"
    if for_javascript and settings.precision != "fp32":
        message = (
            f"{option('layout', layout)} holds fp32 and fp16; got "
            f"{option('precision', precision)}. ONNX Runtime's int8 gives a pair another score "
            f"in each batch. Leave {option('precision')} out."
        )
        raise InvalidInputError(message)
    pairs = None if calibration is None else _checked(calibration, precision)
    target = check_target(output)
    folder = locate(settings)
    if is_bundle(folder):
        message = f"{settings.model!r} is a bundle already. Pass the model that it was made from."
        raise InvalidInputError(message)
    if for_javascript:
        own_files_to_keep(target, folder, None)
        from rerank_plugins.backends.graphs.transformers_js import write_transformers_js

        with written_to(target) as partial:
            write_transformers_js(partial, settings, folder)
    else:
        _write_bundle(target, settings, folder, pairs)
    return target


def _write_bundle(
    target: Path, settings: ModelSettings, folder: Path, pairs: list[tuple[str, str]] | None
) -> None:
    try:
        plan = choose(settings, folder)
    except UnsupportedOptionError as error:
        raise _no_bundle(error) from error
    from rerank_plugins.backends.graphs.compilation import compile_into
    from rerank_plugins.models.identity import model_digest

    digest = model_digest(folder)
    kept = own_files_to_keep(target, folder, digest)
    try:
        with written_to(target) as partial:
            _copy([folder / name for name in OWN_FILES if (folder / name).is_file()], partial)
            compile_into(
                partial,
                settings,
                folder,
                digest=digest,
                backend=plan.backend,
                precision=plan.precision,
                calibration=pairs,
            )
            _copy(kept, partial)
    except NoGraphError as error:
        raise _no_bundle(refused(settings.model, error)) from error


def _copy(files: Iterable[Path], folder: Path) -> None:
    for file in files:
        shutil.copyfile(file, folder / file.name)


def _no_bundle(error: UnsupportedOptionError) -> UnsupportedOptionError:
    message = f"{error} Bundles are for openvino and onnx; torch runs a model without one."
    return UnsupportedOptionError(message)


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
