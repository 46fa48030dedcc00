"""A model's folder as a graph, together with the description of its inputs and outputs."""

from dataclasses import replace
from pathlib import Path

from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.backends.folders.description import describe_folder
from rerank_plugins.backends.graphs.networks import read_network
from rerank_plugins.backends.graphs.onnx_operations import OnnxGraph, onnx_graph


def described_graph(folder: Path, name: str) -> tuple[OnnxGraph, ModelDescription]:
    """The graph of the model in a folder.

    Args:
        folder: The model's folder.
        name: The model reference, for messages.

    Raises:
        NoGraphError: The model, or how it reads texts, has something that graphs do not know.
        ModelError: A file is damaged, or weights are missing.
    """
    description = describe_folder(folder, name)
    network = read_network(folder, name)
    graph = onnx_graph(network, description.inputs)
    return graph, replace(description, inputs=graph.inputs)
