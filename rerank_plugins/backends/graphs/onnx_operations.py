"""Writes a network as an ONNX graph whose weights stay in their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray

from rerank_plugins.backends.graphs.networks import Network
from rerank_plugins.backends.graphs.operations import ACTIVATIONS
from rerank_plugins.backends.graphs.stored_weights import StoredWeight, StoredWeights, part_names

_OPSET = 20  # the first with Gelu
_TYPES = {
    "F32": onnx.TensorProto.FLOAT,
    "F16": onnx.TensorProto.FLOAT16,
    "BF16": onnx.TensorProto.BFLOAT16,
}
_ALIGNMENT = 64
"""Bytes that weights are aligned to in a file, so that they can be mapped into memory."""

_REAL, _INTEGER = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64

Offsets: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A graph from the inputs to `logits`.

    Attributes:
        model: The graph. It reads weights by names that it does not declare.
        inputs: Names of its inputs.
        weights: Keys of the weights that it reads.
        network: What it computes.
    """

    model: onnx.ModelProto
    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    network: Network

    def with_external_weights(self, file: str = "weights", offsets: Offsets | None = None) -> bytes:
        """The graph with its weights declared as external.

        Args:
            file: The name of the file that has them; any name if they are given at loading.
            offsets: Where each begins in it.
        """
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for name in self.weights:
            tensor = model.graph.initializer.add(
                name=name,
                data_type=onnx_type(self.network.weights[name]),
                dims=self.network.weights[name].shape,
                data_location=onnx.TensorProto.EXTERNAL,
            )
            tensor.external_data.add(key="location", value=file)
            if offsets is not None:
                tensor.external_data.add(key="offset", value=str(offsets[name]))
        return bytes(model.SerializeToString())

    def with_weights_inside(self) -> bytes:
        """The graph with its weights, for readers of a single file."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        weights = self.network.weights
        for name in self.weights:
            model.graph.initializer.add(
                name=name,
                data_type=onnx_type(weights[name]),
                dims=weights[name].shape,
                raw_data=weights.array(name).tobytes(),
            )
        return bytes(model.SerializeToString())

    def with_weights_as_inputs(self) -> bytes:
        """The graph with its weights declared as inputs, after the inputs proper."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for name in self.weights:
            kind, shape = onnx_type(self.network.weights[name]), self.network.weights[name].shape
            model.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, shape))
        return bytes(model.SerializeToString())

    def save(self, file: Path) -> None:
        """Writes the graph, and its weights beside it in a file that ends in `.bin`."""
        offsets: dict[str, int] = {}
        with file.with_suffix(".bin").open("wb") as stream:
            for name in self.weights:
                stream.write(bytes(-stream.tell() % _ALIGNMENT))
                offsets[name] = stream.tell()
                stream.write(self.network.weights.array(name).reshape(-1).view(np.uint8).data)
            file.write_bytes(self.with_external_weights(Path(stream.name).name, offsets))


def onnx_type(stored: StoredWeight) -> int:
    """The type of a weight in ONNX."""
    return int(_TYPES[stored.dtype])


def onnx_graph(network: Network, inputs: Sequence[str]) -> OnnxGraph:
    """The graph of a network.

    Args:
        network: The network.
        inputs: The members of `INPUTS` to give it.
    """
    ops = OnnxOperations(network.weights)
    logits = network.logits(ops, {name: name for name in inputs})
    ops.node("Identity", logits, output="logits")
    value_info = onnx.helper.make_tensor_value_info
    ids = [value_info(name, _INTEGER, ["b", "t"]) for name in inputs]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            ops.nodes,
            "cross_encoder",
            ids,
            [value_info("logits", _REAL, ["b", "columns"])],
            ops.constants,
        ),
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=9,
        producer_name="rerank-plugins",
    )
    return OnnxGraph(model, tuple(inputs), tuple(ops.weights), network)


class OnnxOperations:
    """`Operations` that append nodes to a graph; a value is the name of a node's output.

    Attributes:
        nodes: The nodes so far.
        constants: The constants so far.
        weights: Keys of the weights that were read so far.
    """

    def __init__(self, stored: StoredWeights) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.weights: dict[str, None] = {}  # a set in order
        self._stored = stored
        self._names: dict[tuple[Any, ...], str] = {}

    def node(self, operator: str, *inputs: str, output: str = "", **settings: Any) -> str:
        """Appends a node, and gives the name of its output."""
        name = output or f"value_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, [name], **settings))
        return name

    def weight(self, name: str) -> str:
        stored = self._weight(name)
        return stored if self._is_fp32(name) else self.real(stored)

    def weight_parts(self, name: str, parts: int) -> Sequence[str]:
        return [self.weight(part) for part in part_names(name, parts)]

    def rows(self, name: str, ids: str) -> str:
        picked = self.node("Gather", self._weight(name), ids)
        return picked if self._is_fp32(name) else self.real(picked)

    def linear(self, source: str, *names: str) -> str:
        matrices = [self.weight(f"{name}.weight") for name in names]
        matrix = self.transpose(self.concatenate(matrices, 0), (1, 0))
        product = self.matmul(source, matrix)
        if f"{names[0]}.bias" not in self._stored:
            return product
        biases = [self.weight(f"{name}.bias") for name in names]
        return self.add(product, self.concatenate(biases, 0))

    def linear_parts(self, source: str, name: str, parts: int) -> Sequence[str]:
        matrices = self.weight_parts(f"{name}.weight", parts)
        products = [self.matmul(source, self.transpose(matrix, (1, 0))) for matrix in matrices]
        if f"{name}.bias" not in self._stored:
            return products
        biases = self.weight_parts(f"{name}.bias", parts)
        return [self.add(*pair) for pair in zip(products, biases, strict=True)]

    def norm(self, source: str, name: str, epsilon: float) -> str:
        shift = [f"{name}.bias"] if f"{name}.bias" in self._stored else []
        weights = [self.weight(key) for key in (f"{name}.weight", *shift)]
        return self.node("LayerNormalization", source, *weights, axis=-1, epsilon=epsilon)

    def constant(self, value: ArrayLike) -> str:
        array: NDArray[Any] = np.asarray(value)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._names:
            self._names[key] = f"constant_{len(self._names)}"
            self.constants.append(onnx.numpy_helper.from_array(array, self._names[key]))
        return self._names[key]

    def positions(self, ids: str) -> str:
        length = self.node("Gather", self.node("Shape", ids), self.constant(1))
        return self.node("Range", self.constant(0), length, self.constant(1))

    def add(self, left: str, right: str) -> str:
        return self.node("Add", left, right)

    def subtract(self, left: str, right: str) -> str:
        return self.node("Sub", left, right)

    def multiply(self, left: str, right: str) -> str:
        return self.node("Mul", left, right)

    def divide(self, left: str, right: str) -> str:
        return self.node("Div", left, right)

    def matmul(self, left: str, right: str) -> str:
        return self.node("MatMul", left, right)

    def reshape(self, source: str, shape: Sequence[int]) -> str:
        return self.node("Reshape", source, self.constant(list(shape)))

    def transpose(self, source: str, order: Sequence[int]) -> str:
        return self.node("Transpose", source, perm=order)

    def concatenate(self, parts: Sequence[str], axis: int) -> str:
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=axis)

    def split(self, source: str, parts: int, axis: int) -> Sequence[str]:
        names = [f"value_{len(self.nodes)}_{part}" for part in range(parts)]
        self.nodes.append(
            onnx.helper.make_node("Split", [source], names, axis=axis, num_outputs=parts)
        )
        return names

    def first(self, source: str) -> str:
        return self.node("Slice", source, *(self.constant([edge]) for edge in (0, 1, 1)))

    def take(self, table: str, ids: str) -> str:
        return self.node("Gather", table, ids)

    def along_diagonals(self, source: str) -> str:
        # Without its first t - 1 elements and its last, a matrix of 2 t columns has these in the
        # first t of 2 t - 1 columns.
        zero, one, two = (self.constant([number]) for number in range(3))
        three, end = self.constant([3]), self.constant([-1])
        length = self.node("Slice", self.node("Shape", source), two, three)
        flat = self.reshape(source, (0, 0, -1))
        flat = self.node("Slice", flat, self.subtract(length, one), end, two)
        rows = self.node("Concat", self.constant([0, 0]), length, end, axis=0)
        return self.node("Slice", self.node("Reshape", flat, rows), zero, length, three)

    def sum(self, source: str, axis: int) -> str:
        return self.node("ReduceSum", source, self.constant([axis]), keepdims=0)

    def maximum(self, source: str, axis: int) -> str:
        return self.node("ReduceMax", source, self.constant([axis]), keepdims=0)

    def cumulative_sum(self, source: str, axis: int) -> str:
        return self.node("CumSum", source, self.constant(axis))

    def softmax(self, source: str) -> str:
        return self.node("Softmax", source, axis=-1)

    def activation(self, source: str, name: str) -> str:
        kind = ACTIVATIONS[name]
        if kind == "gelu_tanh":
            return self.node("Gelu", source, approximate="tanh")
        if kind == "silu":
            return self.multiply(source, self.node("Sigmoid", source))
        if kind == "linear":
            return source
        return self.node(kind.capitalize(), source)

    def sine(self, source: str) -> str:
        return self.node("Sin", source)

    def cosine(self, source: str) -> str:
        return self.node("Cos", source)

    def equal(self, left: str, right: str) -> str:
        return self.node("Equal", left, right)

    def less(self, left: str, right: str) -> str:
        return self.node("Less", left, right)

    def where(self, condition: str, then: str, otherwise: str) -> str:
        return self.node("Where", condition, then, otherwise)

    def real(self, source: str) -> str:
        return self.node("Cast", source, to=_REAL)

    def integer(self, source: str) -> str:
        return self.node("Cast", source, to=_INTEGER)

    def rotated(self, source: str, cosine: str, sine: str, width: int) -> str:
        # OpenVINO fuses this, with the change of axes before it, if all values have four axes and
        # the widths of the halves are given.
        left, right = (f"value_{len(self.nodes)}_{half}" for half in range(2))
        halves = self.constant([width // 2, width // 2])
        self.nodes.append(onnx.helper.make_node("Split", [source, halves], [left, right], axis=3))
        turned = self.concatenate([self.multiply(right, self.constant(-1.0)), left], -1)
        return self.add(self.multiply(source, cosine), self.multiply(turned, sine))

    def attention(self, query: str, key: str, value: str, bias: str) -> str:
        scores = self.matmul(query, self.transpose(key, (0, 1, 3, 2)))
        return self.matmul(self.softmax(self.add(scores, bias)), value)

    def _is_fp32(self, name: str) -> bool:
        return self._stored[name].dtype == "F32"

    def _weight(self, name: str) -> str:
        self.weights[name] = None
        return name
