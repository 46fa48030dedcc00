"""A model's folder as a network or a graph, with the description of its inputs and outputs."""

from dataclasses import replace
from pathlib import Path

from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.backends.folders.description import describe_folder
from rerank_plugins.backends.graphs.networks import Network, read_network
from rerank_plugins.backends.graphs.onnx_operations import OnnxGraph, onnx_graph


def described_network(folder: Path, name: str) -> tuple[Network, ModelDescription]:
    """The network in a folder, and its description with the inputs that the network reads.

    Args:
        folder: The model's folder.
        name: The model reference, for messages.

    Raises:
        NoGraphError: The model, or how it reads texts, has something that graphs do not know.
        ModelError: A file is damaged, or weights are missing.
    """
    description, network = describe_folder(folder, name), read_network(folder, name)
    inputs = tuple(each for each in description.inputs if each in network.encoder.inputs)
    return network, replace(description, inputs=inputs)


def described_graph(folder: Path, name: str) -> tuple[OnnxGraph, ModelDescription]:
    """The graph of the network in a folder, and its description; see `described_network`."""
    network, description = described_network(folder, name)
    return onnx_graph(network, description.inputs), description
