"""Finds the graph that a backend runs: a bundle's, the folder's own, or the cached int8 one."""

from dataclasses import dataclass
from pathlib import Path

from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.backends.graphs.bundle import read_bundle
from rerank_plugins.backends.graphs.cache import cached_bundle
from rerank_plugins.backends.graphs.described import described_graph
from rerank_plugins.backends.graphs.onnx_operations import OnnxGraph
from rerank_plugins.models.references import is_bundle
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.results import Plan


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph, or the file of one, and the description of its inputs and outputs."""

    source: OnnxGraph | Path
    description: ModelDescription


def find_graph(settings: ModelSettings, folder: Path, plan: Plan) -> Graph:
    """The graph of the model in `folder` for a plan of ONNX Runtime or OpenVINO.

    Raises:
        BundleError: The folder is a bundle that does not match its manifest.
        NoGraphError: The model has something that graphs do not know.
        ModelError: A file is damaged, weights are missing, or int8 cannot be kept.
        MissingExtraError: int8 needs packages that are not installed.
    """
    if is_bundle(folder):
        bundle, manifest = folder, read_bundle(folder)
    elif plan.precision == "int8":
        bundle, manifest = cached_bundle(settings, folder)
    else:
        return Graph(*described_graph(folder, settings.model))
    return Graph(bundle / manifest.graph, manifest.description)
