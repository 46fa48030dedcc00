"""Where a model's time goes by OpenVINO's own counters, and the speed that its products allow."""

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.products import Products
from benchmarks.shape_folders import SHAPES, Shape, save_shape
from benchmarks.shape_worker import INNER, ROWS, WIDTH
from benchmarks.shapes import TOKENS, requests
from benchmarks.ways import texts, unmet
from benchmarks.work import pair_work
from rerank_plugins import CrossEncoderScorer, compile_model
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.backends.openvino import OpenVinoForward
from rerank_plugins.options.scorer import Precision
from rerank_plugins.process.imports import imported
from rerank_plugins.tokens.padding import Tokens

openvino: Any = imported("openvino")

TITLE = "## Where the time goes"

MODELS = (
    "cross-encoder/ms-marco-MiniLM-L4-v2",
    "cross-encoder/ettin-reranker-17m-v1",
    "Alibaba-NLP/gte-reranker-modernbert-base",
)
PRECISIONS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "int8": "int8"}
ROUNDS = 5
PASSAGES = 60

PRODUCTS = {"FullyConnected", "FullyConnectedQuantizedLegacy", "MatMul"}
ATTENTION = {"Subgraph", "ScaledDotProductAttention"}
"""Kinds of nodes. OpenVINO compiles attention, from its scores to what the heads read, to one."""


@dataclass(frozen=True, slots=True)
class Row:
    """Where the time of requests goes.

    Attributes:
        speed: Pairs per second.
        share: Of the operations per second that large products reach in the same precision.
        products: Share of the time in products with weights, and in what is fused with them.
        attention: Share of the time in attention.
        rest: Share of the time in all other nodes.
    """

    speed: float
    share: float
    products: float
    attention: float
    rest: float

    @property
    def around(self) -> float:
        """Share of the time outside the model: tokens, batches and calls."""
        return 1 - self.products - self.attention - self.rest

    @property
    def reachable(self) -> float:
        """The share of the products' rate if only products and attention took time."""
        return self.share / (self.products + self.attention)


def operations() -> str:
    """Returns the section of the report."""
    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in MODELS:
            folder = Path(temporary) / name.replace("/", "--")
            rows[name] = dict(measure(SHAPES[name], folder))
    return render(rows)


def measure(shape: Shape, folder: Path) -> Iterator[tuple[str, Row]]:
    """Yields a row for each precision that runs here.

    Args:
        shape: The shape of the model.
        folder: Where its models are written.
    """
    save_shape(shape, folder / "fp32")
    passages, lengths = requests()
    step = max(1, len(passages) // PASSAGES)
    passages, query = passages[::step], texts().queries[0]
    work = pair_work(shape.sizes, lengths[::step]).total * len(passages)
    for precision, kind in PRECISIONS.items():
        if precision == "bf16" and not cpu_has_bf16():
            continue
        model = folder / "fp32"
        if precision == "int8":  # quantised with few pairs: the values change no time
            pairs = list(zip(texts().queries, texts().short, strict=False))[:8]
            model = folder / "int8"
            compile_model(folder / "fp32", model, precision="int8", calibration=pairs)
        products = Products(kind, ROWS, (WIDTH, INNER, WIDTH), chain=1)
        seconds, rates = 0.0, []
        with (
            _counters() as counters,
            CrossEncoderScorer(str(model), backend="openvino", precision=precision) as scorer,
        ):
            scorer.score(query, passages)  # to warm up
            before = counters()
            for number in range(ROUNDS):
                rates.append(products.rate())
                new = unmet(passages, number)
                start = time.perf_counter()
                scorer.score(query, new)
                seconds += time.perf_counter() - start
            parts = counters() - before
        yield (
            f"openvino {precision}",
            Row(
                speed=ROUNDS * len(passages) / seconds,
                share=ROUNDS * work / seconds / statistics.median(rates),
                products=sum(parts[kind] for kind in PRODUCTS) / seconds,
                attention=sum(parts[kind] for kind in ATTENTION) / seconds,
                rest=sum(parts[kind] for kind in parts.keys() - PRODUCTS - ATTENTION) / seconds,
            ),
        )


@contextmanager
def _counters() -> Iterator[Callable[[], Counter[str]]]:
    """Gives what says how many seconds each kind of node took so far, in the scorer made within."""
    calls: list[OpenVinoForward] = []
    compiled, called = openvino.Core.compile_model, OpenVinoForward.__call__

    def with_counters(core: Any, model: Any, device: str, settings: Mapping[str, str]) -> Any:
        return compiled(core, model, device, {**settings, "PERF_COUNT": "YES"})

    def counting(forward: OpenVinoForward, tokens: Tokens) -> NDArray[np.float32]:
        calls.append(forward)
        return called(forward, tokens)

    def counters() -> Counter[str]:
        counted: Counter[str] = Counter()
        for node in calls[-1]._model._infer_request.profiling_info:  # means over all calls
            counted[node.node_type] += len(calls) * node.real_time.total_seconds()
        return counted

    with (
        patch.object(openvino.Core, "compile_model", with_counters),
        patch.object(OpenVinoForward, "__call__", counting),
    ):
        yield counters


def render(rows: Mapping[str, Mapping[str, Row]]) -> str:
    """The section: where the time goes, and what is left to gain."""
    lines = [
        f"{TITLE}\n",
        f"Requests of about {PASSAGES} passages, {TOKENS} tokens per pair on average, for random "
        "weights in the shape of each model. *Of the rate* is the share of the rate of a large "
        "matrix product in the same process and precision. By OpenVINO's own counters, *products* "
        "is the time in products with weights and what is fused with them (activations, "
        "quantisation), *attention* that from the scores to what the heads read, *rest* that in "
        "all other operations of the model, and *around* that outside it (tokens, batches). *At "
        "most* is the share of the rate if the last two took no time. "
        f"Means of {ROUNDS} requests.\n",
        "| shape of | way | pairs/s | products | attention | rest | around | of the rate "
        "| at most |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, ways in rows.items():
        for way, row in ways.items():
            parts = (row.products, row.attention, row.rest, row.around, row.share, row.reachable)
            shown = " | ".join(f"{part:.0%}" for part in parts)
            speed = f"{row.speed:.0f}" if row.speed >= 10 else f"{row.speed:.1f}"
            lines.append(f"| `{name}` | {way} | {speed} | {shown} |")
    return "\n".join(lines)
