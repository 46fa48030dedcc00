"""Many callers at once, threads and asyncio, through this project's scorer and a stock wrapper.

Every caller sends its requests one after another. Fair share is the time a request would take if
all callers shared the throughput of a single caller evenly.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from llama_index.core.postprocessor import SentenceTransformerRerank
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from benchmarks.ways import BF16, FP32, Texts, texts, unmet
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.models.references import EMBEDDED_FOLDER

REQUESTS = {1: 12, 4: 6, 16: 3, 64: 1}
"""Requests per caller, by the number of callers."""

PASSAGES = 50
BULK_PAIRS = 10_000
SMALL_PASSAGES = 10
SMALL_REQUESTS = 40


@dataclass(frozen=True, slots=True)
class Service:
    """A service under load, with a blocking and an async form of the same request."""

    name: str
    call: Callable[[str, list[str]], object]
    acall: Callable[[str, list[str]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement: seconds of each request, of the whole, and of each heartbeat's delay."""

    seconds: list[float]
    total: float
    slips: list[float]


def load() -> str:
    """Returns the section of the report."""
    data = texts()
    lines = [
        f"## Under load: callers of {PASSAGES} passages each\n",
        "The fair share is the time per request of a single caller, times the number of callers. "
        "The loop lag is how late a heartbeat of 1 ms on the event loop comes. The stock wrapper "
        "is LlamaIndex's `SentenceTransformerRerank` in fp32, unchanged; other stock wrappers "
        "also hand a request to a thread.\n",
        "| service | callers | kind | pairs/s | p50 | p99 | p99 / fair share | loop lag p99 |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    with CrossEncoderScorer("embedded", backend="openvino") as exact:
        services = [_stock_wrapper(), Service(FP32, exact.score, exact.ascore)]
        for service in services:
            lines += _rows(service, data.queries, data.short[:PASSAGES])
        if not cpu_has_bf16():
            lines.append(_beside_bulk(services[1], exact, data))
    if cpu_has_bf16():
        with CrossEncoderScorer("embedded", backend="openvino", precision="bf16") as fast:
            service = Service(BF16, fast.score, fast.ascore)
            lines += _rows(service, data.queries, data.short[:PASSAGES])
            lines.append(_beside_bulk(service, fast, data))
    return "\n".join(lines)


def _stock_wrapper() -> Service:
    wrapper = SentenceTransformerRerank(
        model=str(EMBEDDED_FOLDER), top_n=10, device="cpu", keep_retrieval_score=False
    )

    def nodes(passages: list[str]) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text=text), score=0.0) for text in passages]

    return Service(
        "`SentenceTransformerRerank`",
        lambda query, passages: wrapper.postprocess_nodes(nodes(passages), QueryBundle(query)),
        lambda query, passages: wrapper.apostprocess_nodes(nodes(passages), QueryBundle(query)),
    )


def _rows(service: Service, queries: list[str], passages: list[str]) -> list[str]:
    numbers = itertools.count()

    def request(number: int) -> tuple[str, list[str]]:
        return queries[number % len(queries)], unmet(passages, next(numbers))

    service.call(*request(0))
    rows: list[str] = []
    alone: dict[str, float] = {}
    for callers, requests in REQUESTS.items():
        for kind, measure in (("threads", _threads), ("asyncio", _asyncio)):
            done = measure(service, request, callers, requests)
            p50, p99 = np.quantile(done.seconds, [0.5, 0.99])
            alone.setdefault(kind, float(p50))
            lag = f"{np.quantile(done.slips, 0.99) * 1000:.1f} ms" if done.slips else ""
            rows.append(
                f"| {service.name} | {callers} | {kind} "
                f"| {callers * requests * len(passages) / done.total:.0f} "
                f"| {p50 * 1000:.0f} ms | {p99 * 1000:.0f} ms "
                f"| {p99 / (alone[kind] * callers):.2f} | {lag} |"
            )
    return rows


def _threads(
    service: Service, request: Callable[[int], tuple[str, list[str]]], callers: int, requests: int
) -> Load:
    def caller(number: int) -> list[float]:
        return [_timed(service, request(number + turn)) for turn in range(requests)]

    start = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        seconds = [each for mine in pool.map(caller, range(callers)) for each in mine]
    return Load(seconds, time.perf_counter() - start, slips=[])


def _asyncio(
    service: Service, request: Callable[[int], tuple[str, list[str]]], callers: int, requests: int
) -> Load:
    seconds: list[float] = []
    slips: list[float] = []

    async def caller(number: int) -> None:
        for turn in range(requests):
            start = time.perf_counter()
            await service.acall(*request(number + turn))
            seconds.append(time.perf_counter() - start)

    async def beat() -> None:
        while True:
            due = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            slips.append(time.perf_counter() - due)

    async def all_callers() -> float:
        heart = asyncio.ensure_future(beat())
        start = time.perf_counter()
        await asyncio.gather(*(caller(number) for number in range(callers)))
        total = time.perf_counter() - start
        heart.cancel()
        return total

    return Load(seconds, asyncio.run(all_callers()), slips)


def _beside_bulk(service: Service, scorer: CrossEncoderScorer, data: Texts) -> str:
    """Measures how long a small request waits while a bulk job runs."""
    query, passages = data.queries[0], data.short
    requests = [(query, unmet(passages[:SMALL_PASSAGES], n)) for n in range(2 * SMALL_REQUESTS)]
    quiet = [_timed(service, small) for small in requests[:SMALL_REQUESTS]]
    rounds = -(-BULK_PAIRS // len(passages))
    pairs = [(query, passage) for n in range(rounds) for passage in unmet(passages, -n - 1)]
    bulk = scorer.submit(pairs[:BULK_PAIRS])
    busy = [_timed(service, small) for small in requests[SMALL_REQUESTS:]]
    unfinished = bulk.cancel()
    q50, q99 = np.quantile(quiet, [0.5, 0.99]) * 1000
    b50, b99 = np.quantile(busy, [0.5, 0.99]) * 1000
    return (
        f"\nA request of {SMALL_PASSAGES} passages, {service.name}: p50 {q50:.0f} ms, "
        f"p99 {q99:.0f} ms alone; p50 {b50:.0f} ms, p99 {b99:.0f} ms while {BULK_PAIRS} pairs "
        f"are scored{' (the job outlasted the requests)' if unfinished else ''}."
    )


def _timed(service: Service, request: tuple[str, list[str]]) -> float:
    start = time.perf_counter()
    service.call(*request)
    return time.perf_counter() - start
