"""Writes and reads bundles: folders with a graph, its tokenizer, and a manifest about them."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.errors import BundleError
from rerank_plugins.messages.commands import command
from rerank_plugins.models.digests import file_digest
from rerank_plugins.models.files import OWN_FILES
from rerank_plugins.models.json_files import load_json
from rerank_plugins.models.known_digests import known_digest
from rerank_plugins.models.references import MANIFEST_FILE

FORMAT = "rerank-plugins bundle 4"
"""Changes if older bundles could not be read, or would score differently."""

_FOR_INT8 = "a processor with VNNI (AVX512-VNNI, AVX-VNNI, AMX) for speed and the measured scores"

_TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a bundle.

    Attributes:
        model: The model reference it was compiled from.
        revision: Commit, if it was compiled from a hub model.
        model_digest: `model_digest` of the model that it was compiled from.
        architecture: Class of the model in transformers, or the type of its encoder.
        backend: `"onnx"` or `"openvino"`.
        precision: Precision of the graph: `"fp32"`, which may be run in bf16 too, or `"int8"`.
        measured: Lower precisions of the graph whose cost in ranking was measured for this model.
        graph: The graph's file.
        description: How pairs become its input.
        versions: The version of each library that was used, by name.
        calibration: For int8, the number of calibration pairs and their sha256; otherwise empty.
    """

    model: str
    revision: str | None
    model_digest: str
    architecture: str
    backend: str
    precision: str
    measured: tuple[str, ...]
    graph: str
    description: ModelDescription
    versions: Mapping[str, str]
    calibration: Mapping[str, Any]


def write_bundle(folder: Path, manifest: Manifest) -> None:
    """Completes a folder that already holds the graph: tokenizer, manifest, checksums.

    Settings and a calibration that are there were copied from the model. Users may write them, so
    they are not checked, but what was copied is known.
    """
    description = manifest.description
    (folder / _TOKENIZER).write_text(description.tokenizer, encoding="utf-8")
    digests = {file.name: file_digest(file) for file in sorted(folder.iterdir())}
    copied = {name: digests.pop(name) for name in OWN_FILES if name in digests}
    content = {
        "format": FORMAT,
        "model": manifest.model,
        "revision": manifest.revision,
        "model_digest": manifest.model_digest,
        "architecture": manifest.architecture,
        "backend": manifest.backend,
        "precision": manifest.precision,
        "measured": list(manifest.measured),
        "graph": manifest.graph,
        "settings": description.settings(),
        "versions": dict(manifest.versions),
        "calibration": dict(manifest.calibration),
        "needs": bundle_needs(manifest.backend, manifest.precision),
        "copied": copied,
        "sha256": digests,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")


def bundle_needs(backend: str, precision: str) -> list[str]:
    """What a bundle needs where it runs: a package, and instructions of the processor."""
    extra = "[openvino]" if backend == "openvino" else ""
    return [f"rerank-plugins{extra}", *([_FOR_INT8] if precision == "int8" else [])]


def graph_precisions(backend: str, precision: str) -> tuple[str, ...]:
    """The precisions that a graph can be run in: OpenVINO runs an fp32 graph in bf16 too."""
    return ("fp32", "bf16") if (backend, precision) == ("openvino", "fp32") else (precision,)


def read_bundle(folder: Path) -> Manifest:
    """The manifest of a bundle, after comparing every file with its checksum.

    Raises:
        BundleError: The manifest cannot be read, or a file does not match its checksum.
    """
    content = _read_manifest(folder)
    try:
        _check_files(folder, content["sha256"], _read_files(content["graph"]))
        tokenizer = (folder / _TOKENIZER).read_text(encoding="utf-8")
        return Manifest(
            model=str(content["model"]),
            revision=content["revision"],
            model_digest=str(content["model_digest"]),
            architecture=str(content["architecture"]),
            backend=str(content["backend"]),
            precision=str(content["precision"]),
            measured=tuple(content["measured"]),
            graph=str(content["graph"]),
            description=ModelDescription.from_settings(content["settings"], tokenizer),
            versions=content["versions"],
            calibration=content["calibration"],
        )
    except BundleError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise _incomplete(folder, error) from error


def runs_in(folder: Path) -> tuple[str, str, tuple[str, ...]]:
    """Backend, precision and measured lower precisions of a bundle, by its manifest alone.

    Raises:
        BundleError: The manifest cannot be read.
    """
    content = _read_manifest(folder)
    try:
        return str(content["backend"]), str(content["precision"]), tuple(content["measured"])
    except (KeyError, TypeError) as error:
        raise _incomplete(folder, error) from error


def compiled_from(folder: Path) -> str:
    """`model_digest` of the model that a bundle was compiled from, by its manifest alone.

    Raises:
        BundleError: The manifest cannot be read.
    """
    content = _read_manifest(folder)
    try:
        return str(content["model_digest"])
    except KeyError as error:
        raise _incomplete(folder, error) from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        content = load_json(folder / MANIFEST_FILE)
    except (OSError, ValueError) as error:
        raise _refused(folder, f"its {MANIFEST_FILE} cannot be read ({error})") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        reason = f"its {MANIFEST_FILE} is of format {found!r}, and this version reads {FORMAT!r}"
        raise _refused(folder, reason)
    return dict(content)


def _read_files(graph: str) -> set[str]:
    """The files that a scorer reads; a graph has a file of weights beside it."""
    return {_TOKENIZER, graph, f"{graph.rpartition('.')[0]}.bin"}


def _check_files(folder: Path, checksums: Mapping[str, str], read: set[str]) -> None:
    """Refuses a bundle with missing or changed files, or without the checksum of a file to read."""
    for name, checksum in checksums.items():
        file = folder / name
        if Path(name).name != name or not file.is_file():
            raise _refused(folder, f"it has no file {name!r}")
        if known_digest(file) != checksum:
            raise _refused(folder, f"{name!r} does not match its checksum in the manifest")
    for name in sorted(read - checksums.keys()):
        raise _refused(folder, f"its manifest has no checksum of {name!r}")


def _incomplete(folder: Path, error: Exception) -> BundleError:
    return _refused(folder, f"its manifest is not complete ({type(error).__name__}: {error})")


def _refused(folder: Path, reason: str) -> BundleError:
    message = (
        f"The bundle {str(folder)!r} cannot be used: {reason}. Compile it again: "
        f"{command('rerank')} compile MODEL --output {shlex.quote(str(folder))}"
    )
    return BundleError(message)
