"""Compiles a model's folder into a bundle, in fp32 or quantised to int8."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rerank_plugins.backends.choice import measured_precisions
from rerank_plugins.backends.folders.modules import read_modules
from rerank_plugins.backends.graphs.bundle import Manifest, graph_precisions, write_bundle
from rerank_plugins.backends.graphs.config import architecture_of
from rerank_plugins.backends.graphs.described import described_graph
from rerank_plugins.backends.graphs.runtimes import openvino_model
from rerank_plugins.backends.graphs.versions import versions_for
from rerank_plugins.models.digests import text_digest
from rerank_plugins.models.json_files import read_json
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.extras import require


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
    """Writes a bundle into the folder `output`, which holds at most what was copied of the model.

    Args:
        output: The folder to write into.
        settings: The model's settings; only those about loading matter here.
        folder: Where the model is.
        digest: Its `model_digest`.
        backend: `"onnx"` or `"openvino"`.
        precision: `"fp32"`, or `"int8"`, which quantises the graph.
        calibration: Pairs to calibrate int8 on; `None` takes the pairs in this package.

    Raises:
        NoGraphError: The model has something that graphs do not know.
        ModelError: A file is damaged, or weights are missing.
        MissingExtraError: A package that this needs is not installed.
    """
    about: dict[str, Any] = {}
    graph, description = described_graph(folder, settings.model)
    if backend == "onnx":
        file = "model.onnx"
        graph.save(output / file)
    else:
        file = "model.xml"
        openvino: Any = require("openvino", extra="openvino", purpose="Compiling for OpenVINO")
        model = openvino_model(graph, openvino)
        if precision == "int8":
            from rerank_plugins.backends.graphs.int8 import quantize, shipped_pairs

            pairs = shipped_pairs() if calibration is None else calibration
            model = quantize(model, description, pairs, keep=graph.network.read_once())
            about = {"pairs": len(pairs), "sha256": text_digest(f"{q}\t{p}" for q, p in pairs)}
        try:
            openvino.save_model(model, output / file, compress_to_fp16=False)
        except RuntimeError as error:  # for example if the disk is full
            raise OSError(errno.EIO, f"OpenVINO could not write its graph ({error})") from error
    manifest = Manifest(
        model=settings.model,
        revision=folder.name if folder.parent.name == "snapshots" else None,
        model_digest=digest,
        architecture=architecture_of(read_json(read_modules(folder).folder / "config.json")),
        backend=backend,
        precision=precision,
        measured=tuple(
            each
            for each in graph_precisions(backend, precision)
            if each in measured_precisions(settings.model)
        ),
        graph=file,
        description=description,
        versions=versions_for(backend, precision),
        calibration=about,
    )
    write_bundle(output, manifest)
