"""Loads a network's graph into a runtime, which reads the weights where they lie.

Neither runtime holds on to the arrays that it was given. The weights must live as long as what was
loaded from them.
"""

from typing import Any

import numpy as np

from rerank_plugins.backends.graphs.onnx_operations import OnnxGraph, onnx_type
from rerank_plugins.backends.graphs.stored_weights import StoredWeights


def onnx_session(graph: OnnxGraph, weights: StoredWeights, onnxruntime: Any, options: Any) -> Any:
    """A session of ONNX Runtime.

    The weights are given as arrays over their files. By path it would refuse the symbolic links
    that the hub's cache is made of.
    """
    values = []
    for name, stored in graph.weights.items():
        array = weights.array(name)
        if stored.dtype == "BF16":  # numpy has no such type
            value = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
                array.view(np.uint16), onnx_type(stored)
            )
        else:
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
        values.append(value)
    options.add_external_initializers(list(graph.weights), values)
    return onnxruntime.InferenceSession(
        graph.with_external_weights(), sess_options=options, providers=["CPUExecutionProvider"]
    )


def openvino_model(graph: OnnxGraph, weights: StoredWeights, openvino: Any) -> Any:
    """A model of OpenVINO, whose constants share the memory of the weights."""
    model = openvino.Core().read_model(graph.with_weights_as_inputs())
    for parameter in list(model.get_parameters()):
        name = parameter.get_friendly_name()
        if name in graph.weights:
            array = weights.array(name)
            if graph.weights[name].dtype == "BF16":  # numpy has no such type
                shape, bf16 = list(array.shape), openvino.Type.bf16
                tensor = openvino.Tensor(array.view(np.uint16), shape, bf16)
            else:
                tensor = openvino.Tensor(array, shared_memory=True)
            constant = openvino.op.Constant(tensor, shared_memory=True)
            constant.set_friendly_name(name)
            parameter.output(0).replace(constant.output(0))
            model.remove_parameter(parameter)
    return model
