"""Loads graphs into runtimes, which read the weights where they lie.

Neither runtime holds on to the arrays that it was given, so whoever keeps what was loaded keeps the
graph too.
"""

from pathlib import Path
from typing import Any

import numpy as np

from rerank_plugins.backends.graphs.onnx_operations import OnnxGraph, onnx_type

_AS_IT_IS = "keep_const_precision_0"
"""OpenVINO's own mark of constants that it does not convert."""


def onnx_session(graph: OnnxGraph | Path, onnxruntime: Any, options: Any) -> Any:
    """A session of ONNX Runtime.

    The weights are given as arrays over their files. By path it would refuse the symbolic links
    that the hub's cache is made of.

    Args:
        graph: The graph, or the file of one that was saved with its weights.
        onnxruntime: The module.
        options: Options of the session.
    """
    if isinstance(graph, Path):
        model: Any = str(graph)
    else:
        model = graph.with_external_weights()
        weights = {name: _onnx_value(graph, name, onnxruntime) for name in graph.weights}
        options.add_external_initializers(list(weights), list(weights.values()))
        for name, value in weights.items():
            # The session would copy what it does not rearrange: tables of embeddings, above all.
            options.add_initializer(name, value)
    return onnxruntime.InferenceSession(
        model, sess_options=options, providers=["CPUExecutionProvider"]
    )


def openvino_model(graph: OnnxGraph, openvino: Any) -> Any:
    """A model of OpenVINO, whose constants share the memory of the weights.

    They are the model's inputs first, because OpenVINO has no other way to be given them.
    """
    model = openvino.Core().read_model(graph.with_weights_as_inputs())
    weights = set(graph.weights)
    for parameter in list(model.get_parameters()):
        name = parameter.get_friendly_name()
        if name in weights:
            constant = openvino.op.Constant(
                _openvino_tensor(graph, name, openvino), shared_memory=True
            )
            constant.set_friendly_name(name)
            parameter.output(0).replace(constant.output(0))
            model.remove_parameter(parameter)
    return model


def keep_tables(model: Any, openvino: Any) -> None:
    """Has tables of embeddings in fp16 stay so, where a model of OpenVINO would widen them whole.

    Only the rows that are looked up are widened then.
    """
    lookups = [node for node in model.get_ops() if node.get_type_name() == "Gather"]
    for table in (lookup.input_value(0).get_node() for lookup in lookups):
        if table.get_type_name() == "Constant" and table.get_element_type() == openvino.Type.f16:
            table.get_rt_info()[_AS_IT_IS] = ""


def _onnx_value(graph: OnnxGraph, name: str, onnxruntime: Any) -> Any:
    weights = graph.network.weights
    array, stored = weights.array(name), weights[name]
    if stored.dtype == "BF16":  # numpy has no such type of its own
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
            array.view(np.uint16), onnx_type(stored)
        )
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def _openvino_tensor(graph: OnnxGraph, name: str, openvino: Any) -> Any:
    array = graph.network.weights.array(name)
    if graph.network.weights[name].dtype == "BF16":
        return openvino.Tensor(array.view(np.uint16), list(array.shape), openvino.Type.bf16)
    return openvino.Tensor(array, shared_memory=True)
