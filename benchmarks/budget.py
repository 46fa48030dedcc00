"""Time budgets under load: callers that ask for more than the machine can do in their time.

Every caller sends its requests one after another, on one event loop. At load 1, what all callers
ask for takes the machine just their budget; at load 4, four times as long.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ways import BF16, FP32, Texts, texts, unmet
from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.backends.contract import Backend, PairOptions
from rerank_plugins.backends.machine import cpu_has_bf16

BUDGET = 0.15
"""Seconds of a request."""

CALLERS = {1: 4, 2: 8, 4: 16}
"""How many callers there are, by the load."""

SECONDS = 8.0
"""How long each row is measured."""

RATE_PAIRS = 1000
"""Pairs of the request that measures what the machine does without a budget."""


class Counted:
    """A loaded backend whose batches are counted.

    Attributes:
        pairs: How many pairs were run.
        seconds: How long each batch took.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.plan = backend.plan
        self.check, self.prepare = backend.check, backend.prepare
        self.batch_tokens = backend.batch_tokens
        self.forget()

    def forget(self) -> None:
        """Begins to count anew."""
        self.pairs = 0
        self.seconds: list[float] = []

    def logits(self, inputs: Sequence[Any], options: PairOptions) -> NDArray[np.float32]:
        """The backend's own, counted."""
        start = time.perf_counter()
        logits = self._backend.logits(inputs, options)
        self.seconds.append(time.perf_counter() - start)
        self.pairs += len(inputs)
        return logits


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement: seconds and scored passages of each request, and the seconds of all."""

    latencies: list[float]
    depths: list[int]
    total: float


def budget() -> str:
    """Returns the section of the report."""
    precision, name = ("bf16", BF16) if cpu_has_bf16() else ("fp32", FP32)
    data = texts()
    with CrossEncoderScorer("embedded", backend="openvino", precision=precision) as scorer:
        rate = _rate(scorer, data)
        passages = max(1, round(rate * BUDGET / CALLERS[1]))
        counted = Counted(scorer._shared.engine.backends[0])
        scorer._shared.engine.backends[0] = counted
        lines = [
            f"## Time budgets under load: {passages} passages within {BUDGET * 1000:.0f} ms\n",
            f"{name} does {rate:.0f} pairs/s in one long request. The callers of load 1 ask for "
            "as many pairs as that is within the budget. The last column counts pairs that were "
            "run and not given to a caller, because they were run after its end.\n",
            "| load | callers | time budget | p50 | p99 | longest batch | pairs/s | of the rate "
            "| passages scored | run too late |",
            "|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for load, callers in CALLERS.items():
            for seconds in (BUDGET, None):
                counted.forget()
                done = asyncio.run(_measured(scorer, data, callers, passages, seconds))
                lines.append(_row(load, callers, seconds, done, counted, rate))
    return "\n".join(lines)


def _row(
    load: int, callers: int, seconds: float | None, done: Load, counted: Counted, rate: float
) -> str:
    p50, p99 = np.quantile(done.latencies, [0.5, 0.99]) * 1000
    scored = sum(done.depths)
    return (
        f"| {load} | {callers} | {'none' if seconds is None else f'{seconds * 1000:.0f} ms'} "
        f"| {p50:.0f} ms | {p99:.0f} ms | {max(counted.seconds) * 1000:.0f} ms "
        f"| {scored / done.total:.0f} | {scored / done.total / rate:.0%} "
        f"| {np.mean(done.depths):.1f} | {counted.pairs - scored} |"
    )


def _rate(scorer: CrossEncoderScorer, data: Texts) -> float:
    """Pairs per second of a long request, the median of three."""
    rates = []
    for turn in range(4):
        passages = [text for n in range(RATE_PAIRS) for text in unmet(data.short, -n)][:RATE_PAIRS]
        start = time.perf_counter()
        scorer.score(data.queries[turn], passages)
        rates.append(RATE_PAIRS / (time.perf_counter() - start))
    return float(np.median(rates[1:]))


async def _measured(
    scorer: CrossEncoderScorer, data: Texts, callers: int, passages: int, seconds: float | None
) -> Load:
    reranker = Reranker(scorer, time_budget=seconds)
    numbers = itertools.count()
    latencies: list[float] = []
    depths: list[int] = []
    end = time.perf_counter() + SECONDS

    async def caller(number: int) -> None:
        while time.perf_counter() < end:
            query = data.queries[next(numbers) % len(data.queries)]
            candidates = unmet(data.short[number : number + passages], next(numbers))
            start = time.perf_counter()
            ranking = await reranker.arank(query, candidates)
            latencies.append(time.perf_counter() - start)
            depths.append(len(ranking))

    start = time.perf_counter()
    await asyncio.gather(*map(caller, range(callers)))
    total = time.perf_counter() - start
    await asyncio.sleep(BUDGET)  # what is still run would be run too late
    return Load(latencies, depths, total)
