"""What wrote a graph: the libraries, and the form that this package gives it."""

from rerank_plugins.process.versions import installed_versions

GRAPHS = "graphs 6"
"""Changes when this package writes a different graph for the same model."""

_RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino"}


def versions_for(backend: str, precision: str) -> dict[str, str]:
    """The version of each installed package that is used for compiling, by name."""
    names = ["rerank-plugins", "onnx", _RUNTIMES[backend]]
    if precision == "int8":
        names.append("nncf")
    return installed_versions(names)
