"""An ONNX graph for a BERT cross-encoder folder that reads its weights from model.safetensors.

The graph file holds no weights: every initializer is external data at the tensor's offset in
the safetensors file, so one copy of the weights serves torch and ONNX Runtime. Half-precision
weights are cast to fp32, which ONNX Runtime does once, at load.

The last layer is computed for `[CLS]` alone, without any token's key or value: the score
reads nothing else, so the result is the same with 25% less arithmetic for 4 layers.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.json_files import read_json

WEIGHTS_FILE = "model.safetensors"
GRAPH_FILE = "model.onnx"
_OPSET = 20  # the first with Gelu


def write_onnx_graph(folder: Path) -> Path:
    """Writes `model.onnx` beside the weights of a BERT cross-encoder.

    The graph takes `input_ids`, `attention_mask` and `token_type_ids`, int64 `(b, t)`, and
    gives `logits`, float32 `(b, columns)`.

    Args:
        folder: Holds `config.json` and `model.safetensors` of a `BertForSequenceClassification`
            in fp16 or fp32.

    Returns:
        The graph's path.

    Raises:
        InvalidInputError: The folder holds another architecture.
    """
    config = read_json(folder / "config.json")
    _check(config, folder)
    graph = _Graph(folder / WEIGHTS_FILE)
    _bert(graph, config)
    names = ("input_ids", "attention_mask", "token_type_ids")
    integer, real = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "cross_encoder",
            [onnx.helper.make_tensor_value_info(name, integer, ["b", "t"]) for name in names],
            [onnx.helper.make_tensor_value_info("logits", real, ["b", "columns"])],
            graph.initializers,
        ),
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=9,
        producer_name="rerank-plugins",
    )
    path = folder / GRAPH_FILE
    path.write_bytes(model.SerializeToString())
    return path


def _check(config: dict[str, Any], folder: Path) -> None:
    architecture = (config.get("architectures") or ["none"])[0]
    activation = config.get("hidden_act", "gelu")
    if architecture != "BertForSequenceClassification" or activation != "gelu":
        message = (
            f"{folder} holds {architecture} with {activation}; the graph can be written for "
            f"BertForSequenceClassification with gelu. Run other models with "
            f"{option('backend', 'torch')}."
        )
        raise InvalidInputError(message)


def _bert(graph: "_Graph", config: dict[str, Any]) -> None:
    """The whole model, input ids to logits."""
    epsilon = config.get("layer_norm_eps", 1e-12)
    heads = config["num_attention_heads"]
    layers = config["num_hidden_layers"]
    embeddings = "bert.embeddings."
    length = graph.add("Gather", graph.add("Shape", "input_ids"), graph.integers(1))
    positions = graph.add("Range", graph.integers(0), length, graph.integers(1))
    words = graph.rows(embeddings + "word_embeddings.weight", "input_ids")
    types = graph.rows(embeddings + "token_type_embeddings.weight", "token_type_ids")
    places = graph.rows(embeddings + "position_embeddings.weight", positions)
    hidden = graph.add("Add", graph.add("Add", words, types), places)
    hidden = graph.norm(hidden, embeddings + "LayerNorm", epsilon)
    mask = graph.add("Cast", "attention_mask", to=1)
    mask = graph.add("Mul", graph.add("Sub", mask, graph.real(1.0)), graph.real(1e9))
    mask = graph.add("Unsqueeze", mask, graph.integers([1, 2]))
    for layer in range(layers):
        hidden = _layer(
            graph,
            f"bert.encoder.layer.{layer}.",
            hidden,
            mask,
            heads=heads,
            head_width=config["hidden_size"] // heads,
            epsilon=epsilon,
            cls_only=layer == layers - 1,
        )
    first = graph.add("Squeeze", hidden, graph.integers([1]))
    pooled = graph.add("Tanh", graph.linear(first, "bert.pooler.dense"))
    graph.linear(pooled, "classifier", output="logits")


def _layer(
    graph: "_Graph",
    prefix: str,
    hidden: str,
    mask: str,
    *,
    heads: int,
    head_width: int,
    epsilon: float,
    cls_only: bool,
) -> str:
    """One transformer layer; with `cls_only`, its output is that of the first token alone."""
    attention = prefix + "attention."
    reading = hidden
    if cls_only:
        start, stop = graph.integers([0]), graph.integers([1])
        reading = graph.add("Slice", hidden, start, stop, graph.integers([1]))
    attend = _attend_from_first if cls_only else _attend
    mixed = attend(graph, attention + "self.", reading, hidden, mask, (heads, head_width))
    mixed = graph.linear(mixed, attention + "output.dense")
    hidden = graph.norm(graph.add("Add", mixed, reading), attention + "output.LayerNorm", epsilon)
    inner = graph.add("Gelu", graph.linear(hidden, prefix + "intermediate.dense"))
    inner = graph.linear(inner, prefix + "output.dense")
    return graph.norm(graph.add("Add", inner, hidden), prefix + "output.LayerNorm", epsilon)


def _attend(
    graph: "_Graph", prefix: str, reading: str, hidden: str, mask: str, shape: tuple[int, int]
) -> str:
    """What the heads read for every token."""
    heads, width = shape
    split = graph.integers([0, 0, heads, width])

    def part(name: str, source: str, order: Sequence[int]) -> str:
        states = graph.add("Reshape", graph.linear(source, prefix + name), split)
        return graph.add("Transpose", states, perm=order)

    query = part("query", reading, (0, 2, 1, 3))
    key = part("key", hidden, (0, 2, 3, 1))
    value = part("value", hidden, (0, 2, 1, 3))
    scaled = graph.add("Mul", query, graph.real(1 / math.sqrt(width)))
    weights = graph.add("Add", graph.add("MatMul", scaled, key), mask)
    mixed = graph.add("MatMul", graph.add("Softmax", weights, axis=-1), value)
    mixed = graph.add("Transpose", mixed, perm=(0, 2, 1, 3))
    return graph.add("Reshape", mixed, graph.integers([0, 0, heads * width]))


def _attend_from_first(
    graph: "_Graph", prefix: str, reading: str, hidden: str, mask: str, shape: tuple[int, int]
) -> str:
    """What the heads read for one token: no token's key or value is computed.

    A product of the query with all keys is one of the query, taken through the keys' matrix, with
    all states; a weighted sum of values is the weighted sum of states taken through the values'
    matrix. The keys' bias moves all weights alike, so it falls out of the softmax.
    """
    heads, width = shape
    per_head = graph.integers([heads, width, heads * width])

    def matrix(name: str) -> str:
        return graph.add("Reshape", graph.weight(f"{prefix}{name}.weight"), per_head)

    query = graph.add("Mul", graph.linear(reading, prefix + "query"), graph.real(width**-0.5))
    query = graph.add("Reshape", query, graph.integers([0, heads, width]))
    query = graph.add("Transpose", query, perm=(1, 0, 2))
    asked = graph.add("Transpose", graph.add("MatMul", query, matrix("key")), perm=(1, 0, 2))
    weights = graph.add("MatMul", asked, graph.add("Transpose", hidden, perm=(0, 2, 1)))
    weights = graph.add("Add", weights, graph.add("Squeeze", mask, graph.integers([1])))
    mixed = graph.add("MatMul", graph.add("Softmax", weights, axis=-1), hidden)
    mixed = graph.add("Transpose", mixed, perm=(1, 0, 2))
    value = graph.add("Transpose", matrix("value"), perm=(0, 2, 1))
    mixed = graph.add("Transpose", graph.add("MatMul", mixed, value), perm=(1, 0, 2))
    mixed = graph.add("Reshape", mixed, graph.integers([0, 1, heads * width]))
    return graph.add("Add", mixed, graph.weight(prefix + "value.bias"))


class _Graph:
    """Nodes and initializers of a graph under construction; methods give names of values."""

    def __init__(self, weights: Path) -> None:
        self._weights = weights
        with weights.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            self._tensors: dict[str, Any] = json.loads(file.read(size))
        self._data_start = 8 + size
        self._constants: dict[str, str] = {}
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, operator: str, *inputs: str, output: str | None = None, **settings: Any) -> str:
        """A node; gives the name of its output."""
        name = output or f"value_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, [name], **settings))
        return name

    def weight(self, name: str) -> str:
        """A tensor of the weights file, in fp32."""
        stored = self._external(name)
        return stored if self._tensors[name]["dtype"] == "F32" else self.add("Cast", stored, to=1)

    def rows(self, name: str, indices: str) -> str:
        """Rows of a table in the weights file; only the rows that are read are cast."""
        picked = self.add("Gather", self._external(name), indices)
        return picked if self._tensors[name]["dtype"] == "F32" else self.add("Cast", picked, to=1)

    def linear(self, source: str, name: str, output: str | None = None) -> str:
        """`source` times the transposed weight plus the bias, as torch's Linear."""
        weight = self.add("Transpose", self.weight(name + ".weight"), perm=(1, 0))
        product = self.add("MatMul", source, weight)
        return self.add("Add", product, self.weight(name + ".bias"), output=output)

    def norm(self, source: str, name: str, epsilon: float) -> str:
        """Layer normalisation over the last axis."""
        scale, shift = self.weight(name + ".weight"), self.weight(name + ".bias")
        return self.add("LayerNormalization", source, scale, shift, axis=-1, epsilon=epsilon)

    def integers(self, value: int | list[int]) -> str:
        """An int64 constant."""
        shape = [len(value)] if isinstance(value, list) else []
        values = value if isinstance(value, list) else [value]
        return self._constant(onnx.TensorProto.INT64, shape, values)

    def real(self, value: float) -> str:
        """A float32 constant."""
        return self._constant(onnx.TensorProto.FLOAT, [], [value])

    def _constant(self, kind: int, shape: list[int], values: Sequence[float]) -> str:
        key = f"constant_{kind}_{shape}_{values}"
        if key not in self._constants:
            self._constants[key] = f"constant_{len(self._constants)}"
            tensor = onnx.helper.make_tensor(self._constants[key], kind, shape, values)
            self.initializers.append(tensor)
        return self._constants[key]

    def _external(self, name: str) -> str:
        """An initializer whose bytes lie in the weights file."""
        if name not in self._constants:
            about = self._tensors[name]
            start, stop = about["data_offsets"]
            kinds = {"F32": onnx.TensorProto.FLOAT, "F16": onnx.TensorProto.FLOAT16}
            tensor = onnx.TensorProto(
                name=name,
                data_type=kinds[about["dtype"]],
                dims=about["shape"],
                data_location=onnx.TensorProto.EXTERNAL,
            )
            place = {
                "location": self._weights.name,
                "offset": self._data_start + start,
                "length": stop - start,
            }
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
            self.initializers.append(tensor)
            self._constants[name] = name
        return self._constants[name]
