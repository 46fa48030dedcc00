"""Compiles a model's folder into a bundle, in fp32 or quantised to int8."""

import errno
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rerank_plugins.backends.choice import measured_precisions
from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.backends.graphs.bundle import Manifest, graph_precisions, write_bundle
from rerank_plugins.models.digests import text_digest
from rerank_plugins.models.json_files import read_json
from rerank_plugins.models.references import EMBEDDED
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.extras import require
from rerank_plugins.process.versions import installed_versions

_RUNTIMES = {"onnx": ("onnxruntime",), "openvino": ("openvino",)}
_EXPORTERS = ("torch", "transformers", "sentence-transformers")


def compile_into(
    output: Path,
    settings: ModelSettings,
    folder: Path,
    *,
    digest: str,
    backend: str,
    precision: str,
    calibration: Sequence[tuple[str, str]] | None = None,
) -> None:
    """Writes a bundle into the empty folder `output`.

    Args:
        output: The folder to write into.
        settings: The model's settings; only those about loading matter here.
        folder: Where the model is.
        digest: Its `model_digest`.
        backend: `"onnx"` or `"openvino"`.
        precision: `"fp32"`, or `"int8"`, which quantises the graph.
        calibration: Pairs to calibrate int8 on; `None` takes the pairs in this package.

    Raises:
        ModelError: The model cannot be exported.
        MissingExtraError: A package that this needs is not installed.
    """
    shipped = settings.model == EMBEDDED
    about: dict[str, Any] = {}
    if backend == "onnx":
        graph = "model.onnx"
        description = (
            _copy_shipped(folder, output)
            if shipped
            else export().onnx_graph(settings, folder, output / graph)
        )
    else:
        graph = "model.xml"
        openvino: Any = require("openvino", extra="openvino", purpose="Compiling for OpenVINO")
        if shipped:
            model = openvino.Core().read_model(str(folder / "model.onnx"))
            description = ModelDescription.from_folder(folder)
        else:
            model, description = export().openvino_model(settings, folder)
        if precision == "int8":
            from rerank_plugins.backends.graphs.int8 import quantize, shipped_pairs

            pairs = shipped_pairs() if calibration is None else calibration
            model = quantize(model, description, pairs)
            about = {"pairs": len(pairs), "sha256": text_digest(f"{q}\t{p}" for q, p in pairs)}
        try:
            openvino.save_model(model, output / graph, compress_to_fp16=False)
        except RuntimeError as error:  # for example if the disk is full
            raise OSError(errno.EIO, f"OpenVINO could not write its graph ({error})") from error
    manifest = Manifest(
        model=settings.model,
        revision=folder.name if folder.parent.name == "snapshots" else None,
        model_digest=digest,
        architecture=read_json(folder / "config.json")["architectures"][0],
        backend=backend,
        precision=precision,
        measured=tuple(
            each
            for each in graph_precisions(backend, precision)
            if each in measured_precisions(settings.model)
        ),
        graph=graph,
        description=description,
        versions=versions_for(backend, precision, shipped=shipped),
        calibration=about,
    )
    write_bundle(output, manifest)


def versions_for(backend: str, precision: str, *, shipped: bool) -> dict[str, str]:
    """The version of each installed package that is used for compiling, by name."""
    names = ["rerank-plugins", *_RUNTIMES[backend]]
    if not shipped:
        names += [*_EXPORTERS, *(["onnxscript"] if backend == "onnx" else [])]
    if precision == "int8":
        names.append("nncf")
    return installed_versions(names)


def _copy_shipped(folder: Path, output: Path) -> ModelDescription:
    """Copies the graph in this package, and the weights file that it refers to."""
    for name in ("model.onnx", "model.safetensors"):
        shutil.copyfile(folder / name, output / name)
    return ModelDescription.from_folder(folder)


def export() -> Any:
    """The module `export`, which needs torch; only models other than the embedded one need it."""
    require("sentence_transformers", extra="sentence-transformers", purpose="Compiling a model")
    from rerank_plugins.backends.graphs import export

    return export
