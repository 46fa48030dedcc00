"""Requests of any number of passages of any length, and what fewer shapes of batches give.

python -m benchmarks.lengths PRECISION MULTIPLE   measures one process, in JSON
"""

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.services import private
from benchmarks.ways import texts
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.backends import openvino
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.backends.openvino import OpenVinoForward
from rerank_plugins.tokens.padding import Tokens

TITLE = "## Passages of any length: the shapes of batches"

MULTIPLES = (1, 4, 8, 16)
ROUNDS = 3
REQUESTS = 240
PASSAGES = (5, 20)
WORDS = (10, 150)

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests one after another, in a process that began with them.

    Attributes:
        speed: Pairs per second.
        median: Milliseconds per pair of a request.
        slow: The 99th percentile of the same.
        shapes: How many shapes the batches had.
        grown: MB of memory of its own that the process took besides.
    """

    speed: float
    median: float
    slow: float
    shapes: int
    grown: float


def lengths() -> str:
    """Returns the section of the report."""
    precisions = ["fp32", *(["bf16"] if cpu_has_bf16() else []), "int8"]
    found: dict[tuple[str, int], list[Traffic]] = {
        (precision, multiple): [] for precision in precisions for multiple in MULTIPLES
    }
    for _ in range(ROUNDS):
        for (precision, multiple), runs in found.items():
            command = [sys.executable, "-m", "benchmarks.lengths", precision, str(multiple)]
            done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True)
            runs.append(Traffic(**json.loads(done.stdout)))
    return render(found)


def measure(precision: str, multiple: int, *, requests: int = REQUESTS) -> Traffic:
    """Requests in this process.

    Args:
        precision: Of the embedded model in OpenVINO.
        multiple: Batches are padded to multiples of it.
        requests: How many.
    """
    shapes, times = set(), []
    called = OpenVinoForward.__call__

    def noting(forward: OpenVinoForward, tokens: Tokens) -> NDArray[np.float32]:
        shapes.add(tokens.input_ids.shape)
        return called(forward, tokens)

    with (
        patch.object(openvino, "_LENGTH_MULTIPLE", multiple),
        patch.object(OpenVinoForward, "__call__", noting),
        CrossEncoderScorer("embedded", backend="openvino", precision=precision) as scorer,
    ):
        traffic = list(_requests(requests))
        scorer.score(*traffic[0])
        shapes.clear()
        before = private(os.getpid())
        for query, passages in traffic:
            start = time.perf_counter()
            scorer.score(query, passages)
            times.append(time.perf_counter() - start)
        grown = private(os.getpid()) - before
    pairs = [len(passages) for _, passages in traffic]
    each = [1000 * seconds / count for seconds, count in zip(times, pairs, strict=True)]
    return Traffic(
        speed=sum(pairs) / sum(times),
        median=statistics.median(each),
        slow=float(np.quantile(each, 0.99)),
        shapes=len(shapes),
        grown=grown / 1024,
    )


def _requests(count: int) -> Iterator[tuple[str, list[str]]]:
    """Queries and passages of the demo, cut at random."""
    drawn, data = random.Random(1), texts()
    for number in range(count):
        passages = []
        for _ in range(drawn.randint(*PASSAGES)):
            words = drawn.choice(data.long).split()
            begin = drawn.randrange(len(words))
            passages.append(" ".join((words + words)[begin : begin + drawn.randint(*WORDS)]))
        yield data.queries[number % len(data.queries)], passages


def render(found: Mapping[tuple[str, int], Sequence[Traffic]]) -> str:
    """The section: a row for each precision and multiple."""
    lines = [
        f"{TITLE}\n",
        f"{REQUESTS} requests of {PASSAGES[0]} to {PASSAGES[1]} passages of {WORDS[0]} to "
        f"{WORDS[1]} words, one after another, in a process that has met no batch yet; the "
        "embedded model. Batches are padded to a length that is a multiple of the number; the "
        f"package takes {openvino._LENGTH_MULTIPLE}. Memory is what the process took besides. "
        f"Medians of {ROUNDS} processes, which took turns.\n",
        "| way | multiple of | shapes | pairs/s | ms per pair, p50 | p99 | memory, MB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for (precision, multiple), runs in found.items():
        middle = {
            name: statistics.median(asdict(run)[name] for run in runs)
            for name in Traffic.__dataclass_fields__
        }
        lines.append(
            f"| openvino {precision} | {multiple} | {middle['shapes']:.0f} "
            f"| {middle['speed']:.0f} | {middle['median']:.2f} | {middle['slow']:.2f} "
            f"| {middle['grown']:+.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(measure(sys.argv[1], int(sys.argv[2])))))
