"""How close each way comes to the machine's highest rate of matrix products.

The ceiling of a precision is the rate of matrix products of the model's size with nothing between
them.
"""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ways import BF16, FP32, INT8, Score, embedded_tokenizer, texts, unmet, ways
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.process.imports import imported
from rerank_plugins.process.signal_stack import signal_stack_kept

openvino: Any = imported("openvino")
opset: Any = imported("openvino.opset13")

WIDTH = 384
INNER = 4 * WIDTH
LAYERS = 4
HEADS = 12
TOKENS = 2048
CHAIN = 12
ROUNDS = 7
PASSAGES = 100

FEED_FORWARD = ((WIDTH, INNER), (INNER, WIDTH))
"""Input and output columns of a layer's two largest products."""

LINEAR = ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH), *FEED_FORWARD)
"""Input and output columns of all products: query, key and value at once, output, feed-forward."""


@dataclass(frozen=True, slots=True)
class Work:
    """Mean operations per pair; a multiplication with its addition counts as two."""

    linear: float
    attention: float

    @property
    def total(self) -> float:
        """All operations."""
        return self.linear + self.attention


def roofline() -> str:
    """Returns the section of the report."""
    data = texts()
    passages, query = data.short[:PASSAGES], data.queries[0]
    lengths = _lengths(query, passages)
    work = pair_work(lengths)
    precisions = {FP32: "f32", **({BF16: "bf16"} if cpu_has_bf16() else {}), INT8: "int8"}
    products = {name: _products(precision) for name, precision in precisions.items()}
    rates: dict[str, list[float]] = {name: [] for name in precisions}
    speeds: dict[str, list[float]] = {name: [] for name in precisions}
    with ways() as found:
        for number in range(ROUNDS + 1):
            for name in precisions:
                rate = _rate(products[name])
                speed = _speed(found[name], query, unmet(passages, number))
                if number:  # the first is to warm up
                    rates[name].append(rate)
                    speeds[name].append(speed)
    attention = work.attention / work.total
    lines = [
        "## Roofline\n",
        f"A pair of {np.mean(lengths):.0f} tokens takes {work.total / 1e9:.2f} billion operations, "
        f"with the last layer for the first token alone; {attention:.0%} of them are in attention. "
        "The ceiling is the rate of the feed-forward matrix products alone, measured in OpenVINO "
        f"with {TOKENS} tokens per batch.\n",
        "| way | ceiling, Gop/s | pairs/s at the ceiling | pairs/s | reached |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in precisions:
        rate, speed = statistics.median(rates[name]), statistics.median(speeds[name])
        ideal = rate / work.total
        lines.append(
            f"| {name} | {rate / 1e9:.0f} | {ideal:.0f} | {speed:.0f} | {speed / ideal:.0%} |"
        )
    return "\n".join(lines)


def pair_work(lengths: list[int]) -> Work:
    """Mean operations of pairs with these numbers of tokens, in a model of `LAYERS` layers.

    The last layer computes only the first token; there, a head works on states as wide as the
    model.
    """
    whole = 2 * sum(first * second for first, second in LINEAR)
    mean, square = float(np.mean(lengths)), float(np.mean(np.square(lengths)))
    linear = (LAYERS - 1) * whole * mean + whole
    attention = (LAYERS - 1) * 4 * WIDTH * square + 4 * HEADS * WIDTH * mean
    return Work(linear, attention)


def _lengths(query: str, passages: list[str]) -> list[int]:
    pairs = embedded_tokenizer().encode([(query, each) for each in passages])
    return [len(pair) for pair in pairs]


def _products(precision: str) -> Any:
    """Compiles the feed-forward's two products in turn, `CHAIN` times, with nothing in between."""
    generator = np.random.default_rng(0)
    source = opset.parameter([TOKENS, WIDTH], np.float32)
    last = source
    for _ in range(CHAIN):
        for columns, results in FEED_FORWARD:
            weights = generator.normal(0, columns**-0.5, (results, columns)).astype(np.float32)
            last = _product(last, weights, quantized=precision == "int8")
    wide = "f32" if precision == "f32" else "bf16"
    settings = {"INFERENCE_PRECISION_HINT": wide, "NUM_STREAMS": "1"}
    with signal_stack_kept():
        return openvino.Core().compile_model(openvino.Model([last], [source]), "CPU", settings)


def _product(given: Any, weights: NDArray[np.float32], *, quantized: bool) -> Any:
    factor = opset.constant(weights)
    if quantized:
        given, factor = _quantized(given, levels=256), _quantized(factor, levels=255)
    return opset.matmul(given, factor, transpose_a=False, transpose_b=True)


def _quantized(given: Any, *, levels: int) -> Any:
    """The operation that nncf inserts for 8 bits: a range divided into levels."""
    low, high = (opset.constant(np.float32(bound)) for bound in (-4.0, 4.0))
    return opset.fake_quantize(given, low, high, low, high, levels)


def _rate(products: Any) -> float:
    """Operations per second."""
    given = np.random.default_rng(1).normal(size=(TOKENS, WIDTH)).astype(np.float32)
    start = time.perf_counter()
    products(given)
    operations = CHAIN * TOKENS * sum(2 * first * second for first, second in FEED_FORWARD)
    return operations / (time.perf_counter() - start)


def _speed(score: Score, query: str, passages: list[str]) -> float:
    """Pairs per second."""
    start = time.perf_counter()
    score(query, passages)
    return len(passages) / (time.perf_counter() - start)
