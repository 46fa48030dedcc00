"""How close each way comes to the machine's highest rate of matrix products.

The ceiling of a precision is the rate of matrix products of the model's size with nothing between
them.
"""

import statistics
import time

import numpy as np

from benchmarks.products import Products
from benchmarks.ways import BF16, FP32, INT8, Score, embedded_tokenizer, texts, unmet, ways
from benchmarks.work import Sizes, pair_work
from rerank_plugins.backends.machine import cpu_has_bf16

SIZES = Sizes(layers=4, width=384, heads=12, inner=1536)
"""Of the embedded model."""

TOKENS = 2048
CHAIN = 12
ROUNDS = 7
PASSAGES = 100


def roofline() -> str:
    """Returns the section of the report."""
    data = texts()
    passages, query = data.short[:PASSAGES], data.queries[0]
    lengths = _lengths(query, passages)
    work = pair_work(SIZES, lengths)
    precisions = {FP32: "f32", **({BF16: "bf16"} if cpu_has_bf16() else {}), INT8: "int8"}
    widths = (SIZES.width, SIZES.inner, SIZES.width)
    products = {
        name: Products(precision, TOKENS, widths, CHAIN) for name, precision in precisions.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in precisions}
    speeds: dict[str, list[float]] = {name: [] for name in precisions}
    with ways() as found:
        for number in range(ROUNDS + 1):
            for name in precisions:
                rate = products[name].rate()
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


def _lengths(query: str, passages: list[str]) -> list[int]:
    pairs = embedded_tokenizer().encode([(query, each) for each in passages])
    return [len(pair) for pair in pairs]


def _speed(score: Score, query: str, passages: list[str]) -> float:
    """Pairs per second."""
    start = time.perf_counter()
    score(query, passages)
    return len(passages) / (time.perf_counter() - start)
