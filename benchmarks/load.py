"""The core under load: many callers at once, threads and asyncio; prints a table.

    python -m benchmarks.load [--callers 1 4 16 64] [--requests 8] [--passages 50]

Every caller sends its requests one after another. Fair share is the time a request would take if
all callers shared the throughput of a single caller evenly.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.demo import load_corpus, load_questions

BULK_PAIRS = 10_000
SMALL_PASSAGES = 10


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement: the seconds of each request, of the whole, and of each late heartbeat."""

    seconds: list[float]
    total: float
    slips: list[float]


def main() -> None:
    """Measures and prints."""
    arguments = _arguments()
    scorer = CrossEncoderScorer("embedded")
    passages = [f"{each.title} {each.text}" for each in load_corpus()]
    queries = [question.query for question in load_questions()]

    def request(number: int) -> tuple[str, list[str]]:
        return queries[number % len(queries)], passages[: arguments.passages]

    scorer.score(*request(0))
    write("| callers | kind | pairs/s | p50 | p99 | p99 / fair share | loop lag p99 |")
    write("|---:|---|---:|---:|---:|---:|---:|")
    alone = _threads(scorer, request, 1, arguments.requests).total / arguments.requests
    for callers in arguments.callers:
        for kind, measure in (("threads", _threads), ("asyncio", _asyncio)):
            load = measure(scorer, request, callers, arguments.requests)
            pairs = callers * arguments.requests * arguments.passages
            p50, p99 = np.quantile(load.seconds, [0.5, 0.99])
            lag = f"{np.quantile(load.slips, 0.99) * 1000:.1f} ms" if load.slips else ""
            write(
                f"| {callers} | {kind} | {pairs / load.total:.0f} | {p50 * 1000:.0f} ms "
                f"| {p99 * 1000:.0f} ms | {p99 / (alone * callers):.2f} | {lag} |"
            )
    small = (queries[0], passages[:SMALL_PASSAGES])
    quiet, busy = _small_requests(scorer, small, arguments.requests, passages)
    write(
        f"\n{SMALL_PASSAGES} passages, p99: {np.quantile(quiet, 0.99) * 1000:.0f} ms alone, "
        f"{np.quantile(busy, 0.99) * 1000:.0f} ms while {BULK_PAIRS} pairs are scored."
    )
    scorer.close()


def _threads(
    scorer: CrossEncoderScorer,
    request: Callable[[int], tuple[str, list[str]]],
    callers: int,
    requests: int,
) -> Load:
    def caller(number: int) -> list[float]:
        return [_timed(scorer, request(number + turn)) for turn in range(requests)]

    start = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        seconds = [each for mine in pool.map(caller, range(callers)) for each in mine]
    return Load(seconds, time.perf_counter() - start, slips=[])


def _asyncio(
    scorer: CrossEncoderScorer,
    request: Callable[[int], tuple[str, list[str]]],
    callers: int,
    requests: int,
) -> Load:
    seconds: list[float] = []
    slips: list[float] = []

    async def caller(number: int) -> None:
        for turn in range(requests):
            start = time.perf_counter()
            await scorer.ascore(*request(number + turn))
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


def _small_requests(
    scorer: CrossEncoderScorer,
    small: tuple[str, list[str]],
    requests: int,
    passages: list[str],
) -> tuple[list[float], list[float]]:
    """Seconds of small requests alone, and while a bulk job runs."""
    quiet = [_timed(scorer, small) for _ in range(requests)]
    pairs = [(small[0], passages[number % len(passages)]) for number in range(BULK_PAIRS)]
    bulk = scorer.submit(pairs)
    busy = [_timed(scorer, small) for _ in range(requests)]
    bulk.cancel()
    return quiet, busy


def _timed(scorer: CrossEncoderScorer, request: tuple[str, list[str]]) -> float:
    start = time.perf_counter()
    scorer.score(*request)
    return time.perf_counter() - start


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--requests", type=int, default=8, help="requests of each caller")
    parser.add_argument("--passages", type=int, default=50, help="passages of each request")
    return parser.parse_args()


def write(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
