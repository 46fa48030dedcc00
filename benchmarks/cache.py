"""What a score cache costs and gives, by the share of pairs that were met before."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.ways import FP32, INT8, Texts, texts, unmet
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.score_cache.file import ScoreFile
from rerank_plugins.score_cache.keys import pair_keys
from rerank_plugins.score_cache.rows import Kept

PASSAGES = 50
"""Passages of a request."""

SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Which part of a request's pairs were met before."""

ROUNDS = 12
"""Requests of each kind, in turns; the first two are not counted."""

KEPT = 1_000_000
"""Scores in the file in which looking up and keeping are timed."""

SIZE = 1_000_000_000


def cache() -> str:
    """Returns the section of the report."""
    data = texts()
    with tempfile.TemporaryDirectory() as folder:
        look_up, keep, size = _costs(Path(folder) / "full.sqlite", data)
        shares = " | ".join(f"{share:.0%} met before" for share in SHARES)
        lines = [
            f"## Score cache: requests of {PASSAGES} passages\n",
            f"In a file of {KEPT:,} scores, {size / KEPT:.0f} bytes each, looking a pair up takes "
            f"{look_up * 1e6:.0f} µs, and keeping one {keep * 1e6:.0f} µs, on a thread beside the "
            "model's. Milliseconds per request, medians; the last column is the share of pairs met "
            "before from which that is paid for.\n",
            f"| | no cache | {shares} | pays from |",
            f"|---|---:|{'---:|' * len(SHARES)}---:|",
        ]
        for name in (FP32, INT8):
            backend, precision = name.split()
            times = _times(Path(folder), data, backend, precision)
            pair = times[0] / PASSAGES
            pays = (look_up + keep) / (pair + keep)
            shown = " | ".join(f"{each * 1000:.1f}" for each in times)
            lines.append(f"| {name} | {shown} | {pays:.1%} |")
    return "\n".join(lines)


def _times(folder: Path, data: Texts, backend: str, precision: str) -> list[float]:
    """Seconds per request without a cache, and with one by the share of pairs met before."""
    with ExitStack() as stack:
        files = [None, *(folder / f"{precision} {share}.sqlite" for share in SHARES)]
        scorers = [
            stack.enter_context(
                CrossEncoderScorer(
                    "embedded", backend=backend, precision=precision, score_cache=file
                )
            )
            for file in files
        ]
        seconds: list[list[float]] = [[] for _ in scorers]
        for turn in range(ROUNDS):
            for at, (scorer, share) in enumerate(zip(scorers, (0.0, *SHARES), strict=True)):
                passages = passages_of(data, turn * len(scorers) + at, share if turn else 0.0, at)
                begun = time.perf_counter()
                scorer.score(data.queries[0], passages)
                seconds[at].append(time.perf_counter() - begun)
    return [float(np.median(each[2:])) for each in seconds]


def passages_of(data: Texts, number: int, share: float, before: int) -> list[str]:
    """The passages of a request.

    Args:
        data: The texts.
        number: The number of the request.
        share: Which part of the passages an earlier request had.
        before: The number of the earlier request, which met nothing.
    """
    met = round(share * PASSAGES)
    return [*unmet(data.short, before)[:met], *unmet(data.short, number)[: PASSAGES - met]]


def _costs(path: Path, data: Texts) -> tuple[float, float, int]:
    """Seconds to look a pair up and to keep one, and the bytes of a file with many scores."""
    file = ScoreFile(path, SIZE)
    row = Kept(1.0, 0, None, None, None)
    rng = np.random.default_rng(0)
    for _ in range(KEPT // 1000):
        file.put([rng.bytes(16) for _ in range(1000)], [row] * 1000)
    size = path.stat().st_size
    looking, keeping = [], []
    for turn in range(200):
        pairs = [(data.queries[0], text) for text in unmet(data.short, turn)[:PASSAGES]]
        begun = time.perf_counter()
        keys = pair_keys("model", pairs)
        file.get(keys)
        looking.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        file.put(keys, [row] * PASSAGES)
        keeping.append(time.perf_counter() - begun)
    file.close()
    return float(np.median(looking)) / PASSAGES, float(np.median(keeping)) / PASSAGES, size
