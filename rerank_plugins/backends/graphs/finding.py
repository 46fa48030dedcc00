"""Finds the graph that a backend runs: the shipped one, a bundle's, or one in the cache."""

from dataclasses import dataclass
from pathlib import Path

from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.backends.graphs.bundle import read_bundle
from rerank_plugins.backends.graphs.cache import cached_bundle
from rerank_plugins.models.references import EMBEDDED, is_bundle
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.results import Plan


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph's file, and the description of its inputs and outputs."""

    path: Path
    description: ModelDescription


def find_graph(settings: ModelSettings, folder: Path, plan: Plan) -> Graph:
    """The graph of the model in `folder` for a plan of ONNX Runtime or OpenVINO.

    Raises:
        BundleError: The folder is a bundle that does not match its manifest.
        ModelError: The model cannot be compiled.
        MissingExtraError: Compiling needs packages that are not installed.
    """
    if is_bundle(folder):
        bundle, manifest = folder, read_bundle(folder)
    elif settings.model == EMBEDDED and plan.precision != "int8":
        return Graph(folder / "model.onnx", ModelDescription.from_folder(folder))
    else:
        bundle, manifest = cached_bundle(settings, folder, plan)
    return Graph(bundle / manifest.graph, manifest.description)
