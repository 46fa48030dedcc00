"""What the forms give in which the networks are written: each beside the same model without it.

Each way is a process of its own, and they take turns. As a module of its own, this is such a
process: the `shape_worker`, with a network in another form.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import onnx

from benchmarks import shape_worker
from benchmarks.peers.process import WorkerProcess
from benchmarks.shape_folders import SHAPES, Shape, save_shape
from benchmarks.shapes import REST, TOKENS, requests
from benchmarks.ways import texts, unmet
from rerank_plugins.backends.graphs.encoders import bert
from rerank_plugins.backends.graphs.encoders.attention import in_heads, joined
from rerank_plugins.backends.graphs.encoders.bert import Bert
from rerank_plugins.backends.graphs.onnx_operations import OnnxOperations

TITLE = "## What the forms of a network give"

MODELS = ("cross-encoder/ms-marco-MiniLM-L4-v2", "BAAI/bge-reranker-base")
AS_IT_IS = "as it is"
ROUNDS = 7
PASSAGES = {MODELS[0]: 60, MODELS[1]: 12}

Names = tuple[str, str, str]
"""The layers of query, key and value."""

_OF_RUNTIME = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""


def three_products(
    ops: OnnxOperations, states: str, names: Names, bias: str, *, heads: int, width: int
) -> str:
    """`read_from_all` with a product each for query, key and value."""
    query, key, value = (in_heads(ops, ops.linear(states, name), heads) for name in names)
    query = ops.multiply(query, ops.constant((width / heads) ** -0.5))
    return joined(ops, ops.attention(query, key, value, bias))


def one_operator(
    ops: OnnxOperations, states: str, names: Names, bias: str, *, heads: int, width: int
) -> str:
    """`read_from_all` with ONNX Runtime's operator for attention, which adds the biases too."""
    matrix = ops.concatenate([ops.weight(f"{name}.weight") for name in names], 0)
    product = ops.matmul(states, ops.transpose(matrix, (1, 0)))
    biases = ops.concatenate([ops.weight(f"{name}.bias") for name in names], 0)
    mask = ops.node("Cast", "attention_mask", to=onnx.TensorProto.INT32)
    return ops.node(
        "MultiHeadAttention",
        *ops.split(product, 3, axis=-1),
        biases,
        mask,
        domain=_OF_RUNTIME,
        num_heads=heads,
    )


def skipping_norms(self: Bert, ops: OnnxOperations, asking: str, read: str, number: int) -> str:
    """`Bert._after_attention` with ONNX Runtime's operator for a bias, a sum and a norm."""
    layer, names = self._layer(number), self.names

    def normed(source: str, linear: str, skipped: str, norm: str) -> str:
        matrix = ops.transpose(ops.weight(f"{layer}{linear}.weight"), (1, 0))
        keys = f"{norm}.weight", f"{norm}.bias", f"{linear}.bias"
        return ops.node(
            "SkipLayerNormalization",
            ops.matmul(source, matrix),
            skipped,
            *(ops.weight(layer + key) for key in keys),
            domain=_OF_RUNTIME,
            epsilon=self.epsilon,
        )

    attended = normed(read, names.attended, asking, names.attended_norm)
    inner = ops.activation(ops.linear(attended, layer + names.inner), self.activation)
    return normed(inner, names.outer, attended, names.outer_norm)


def all_tokens(self: Bert, ops: OnnxOperations, inputs: Mapping[str, str], *, first: bool) -> str:
    """`Bert.states` with the whole of the last layer, where the head reads one token of it."""
    hidden = _STATES(self, ops, inputs, first=False)
    return ops.first(hidden) if first else hidden


_STATES = Bert.states

FORMS: dict[str, tuple[Any, str, Callable[..., str]]] = {
    "the last layer for all tokens": (Bert, "states", all_tokens),
    "query, key and value as three products": (bert, "read_from_all", three_products),
    "`MultiHeadAttention`": (bert, "read_from_all", one_operator),
    "`SkipLayerNormalization`": (Bert, "_after_attention", skipping_norms),
}
"""What is put in place of what."""

WAYS = [
    ("onnx", AS_IT_IS),
    *(("onnx", form) for form in FORMS),
    ("openvino", AS_IT_IS),
    *(("openvino", form) for form in list(FORMS)[:2]),  # the others are ONNX Runtime's alone
]


def forms() -> str:
    """Returns the section of the report."""
    speeds = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in MODELS:
            folder = Path(temporary) / name.replace("/", "--")
            speeds[name] = measure(SHAPES[name], folder, PASSAGES[name])
    return render(speeds)


def measure(shape: Shape, folder: Path, count: int) -> dict[tuple[str, str], float]:
    """Pairs per second of each way, medians.

    Args:
        shape: The shape of the model.
        folder: Where it is written, with the processes' logs.
        count: Passages of a request.
    """
    save_shape(shape, folder / "model")
    passages, _ = requests()
    passages, query = passages[:: max(1, len(passages) // count)], texts().queries[0]
    seconds: dict[tuple[str, str], list[float]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        loaded = {}
        for number, way in enumerate(WAYS):
            description = {
                "model": str(folder / "model"),
                "backend": way[0],
                "precision": "fp32",
                "form": way[1],
            }
            loaded[way] = stack.enter_context(
                WorkerProcess(
                    Path(sys.executable), "benchmarks.forms", description, folder / f"{number}.log"
                )
            )
        for number in range(ROUNDS + 1):
            new = unmet(passages, number)
            for way, process in loaded.items():
                time.sleep(REST)
                answer = process.request({"query": query, "passages": new})
                if number:  # the first is to warm up
                    seconds[way].append(answer["seconds"])
    return {way: len(passages) / statistics.median(values) for way, values in seconds.items()}


def render(speeds: Mapping[str, Mapping[tuple[str, str], float]]) -> str:
    """The section."""
    lines = [
        f"{TITLE}\n",
        "Random weights in the shape of each model, fp32, "
        f"{TOKENS} tokens per pair on average. {AS_IT_IS.capitalize()}, a network computes the "
        "last layer for the first token alone, has one product for query, key and value, and is "
        "written in standard operators; each other row changes one of these. The last two are "
        "operators of ONNX Runtime's own, for attention, and for a bias, a sum and a norm. Pairs "
        "per second, and times those of the network as it is. Each way runs in a process of its "
        f"own; the ways take turns, and the figures are medians of {ROUNDS} rounds.\n",
        f"| backend | form | {' | '.join(f'`{name}`' for name in speeds)} |",
        "|---|---|" + "---:|" * len(speeds),
    ]
    for way in WAYS:
        cells = [
            f"{row[way]:.3g} ({row[way] / row[way[0], AS_IT_IS]:.2f}x)" for row in speeds.values()
        ]
        lines.append(f"| {way[0]} | {way[1]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """The worker: a network in the form that the command line names."""
    description = json.loads(sys.argv[1])
    form = description.pop("form")
    sys.argv[1] = json.dumps(description)
    with written_in(form):
        shape_worker.main()


@contextmanager
def written_in(form: str) -> Iterator[None]:
    """Networks are written in this form."""
    if form == AS_IT_IS:
        yield
        return
    with (
        patch.object(*FORMS[form]),
        patch.object(onnx.helper, "make_model", _with_own_operators),
    ):
        yield


_MAKE_MODEL = onnx.helper.make_model


def _with_own_operators(*args: Any, opset_imports: list[Any], **settings: Any) -> Any:
    own = onnx.helper.make_opsetid(_OF_RUNTIME, 1)
    return _MAKE_MODEL(*args, opset_imports=[*opset_imports, own], **settings)


if __name__ == "__main__":
    main()
