"""One caller: pairs per second, latency and exactness of each way of scoring."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from benchmarks.ways import STOCK, Score, Texts, texts, unmet, ways
from rerank_plugins.demo import load_corpus, load_questions

ROUNDS = {10: 30, 25: 20, 50: 12, 100: 8, 200: 5}
"""Measurements per way, by the number of passages; fewer passages are measured more often."""

REST = 0.2
"""Seconds of rest before each measurement: a library's threads keep spinning after their work and
would slow down the next measurement."""

MOST_QUALITY_QUERIES = 20
REPEATED_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Quality:
    """Distance from the baseline's scores over the demo's questions, each with every passage.

    Attributes:
        error: Largest difference of a logit.
        tau: Kendall's tau, mean over questions.
        ndcg: nDCG@10 of the one passage that answers, in points.
    """

    error: float
    tau: float
    ndcg: float


def single() -> str:
    """Returns the section of the report."""
    data = texts()
    with ways() as found:
        quality = _quality(found, data)
        parts = [
            _table(f"{name} passages", passages, found, data.queries, share)
            for name, passages, share in (("Short", data.short, 1.0), ("Long", data.long, 0.4))
        ]
        parts.append(_repeated(found, data))
    return "\n\n".join(["## One caller", *parts, _quality_table(quality)])


def _table(
    title: str, passages: list[str], found: Mapping[str, Score], queries: list[str], share: float
) -> str:
    rows: dict[str, list[str]] = {name: [] for name in found}
    throughput: dict[str, float] = {}
    for count, rounds in ROUNDS.items():
        around = [*passages, *(f"{passage} again" for passage in passages)][:count]
        seconds = _interleaved(found, around, queries, max(3, round(rounds * share)))
        for name, values in seconds.items():
            p50, p95, p99 = np.quantile(values, [0.5, 0.95, 0.99]) * 1000
            rows[name].append(f"{p50:.0f} / {p95:.0f} / {p99:.0f}")
            if count == 100:
                throughput[name] = count / float(np.median(values))
    words = np.mean([len(passage.split()) for passage in passages])
    counts = " | ".join(f"{count} passages" for count in ROUNDS)
    lines = [
        f"### {title}, {words:.0f} words on average\n",
        "Milliseconds per query (p50 / p95 / p99), and pairs per second at 100 passages.\n",
        f"| way | {counts} | pairs/s | ratio |",
        "|---|" + "---:|" * (len(ROUNDS) + 2),
    ]
    for name, cells in rows.items():
        lines.append(
            f"| {name} | {' | '.join(cells)} | {throughput[name]:.0f} "
            f"| {throughput[name] / throughput[STOCK]:.2f} |"
        )
    return "\n".join(lines)


def _interleaved(
    found: Mapping[str, Score], passages: Sequence[str], queries: list[str], rounds: int
) -> dict[str, list[float]]:
    """Returns the seconds of each way. The ways take turns per round; round 0 is dropped."""
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for number in range(rounds + 1):
        query = queries[number % len(queries)]
        new = unmet(passages, number)
        for name, score in found.items():
            time.sleep(REST)
            start = time.perf_counter()
            score(query, new)
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _repeated(found: Mapping[str, Score], data: Texts) -> str:
    """Measures the gain from keeping the token ids of passages."""
    lines = [
        "### Passages met before\n",
        "About 10 MB of token ids are kept. Pairs per second, 100 short passages.\n",
        "| way | new | met before | ratio |",
        "|---|---:|---:|---:|",
    ]
    for name, score in found.items():
        if name.startswith(("onnx", "openvino")):
            seconds: dict[bool, list[float]] = {False: [], True: []}
            for number, query in enumerate(data.queries[: REPEATED_ROUNDS + 1]):
                passages = [f"{passage} (again {number})" for passage in data.short[:100]]
                for met in (False, True):
                    start = time.perf_counter()
                    score(query, passages)
                    if number:
                        seconds[met].append(time.perf_counter() - start)
            new, met_before = (100 / float(np.median(seconds[met])) for met in (False, True))
            lines.append(f"| {name} | {new:.0f} | {met_before:.0f} | {met_before / new:.2f} |")
    return "\n".join(lines)


def _quality(found: Mapping[str, Score], data: Texts) -> dict[str, Quality]:
    places = {passage.id: place for place, passage in enumerate(load_corpus())}
    questions = load_questions()[:MOST_QUALITY_QUERIES]
    scores = {
        name: [score(question.query, data.short) for question in questions]
        for name, score in found.items()
    }
    quality = {}
    for name, mine in scores.items():
        reference = scores[STOCK]
        ranks = [
            int((row > row[places[question.answer]]).sum()) + 1
            for row, question in zip(mine, questions, strict=True)
        ]
        quality[name] = Quality(
            error=max(float(np.abs(a - b).max()) for a, b in zip(mine, reference, strict=True)),
            tau=float(
                np.mean([kendalltau(a, b).statistic for a, b in zip(mine, reference, strict=True)])
            ),
            ndcg=100 * float(np.mean([1 / np.log2(r + 1) if r <= 10 else 0.0 for r in ranks])),
        )
    return quality


def _quality_table(quality: Mapping[str, Quality]) -> str:
    lines = [
        "### Exactness\n",
        f"Compared with the first way, over {MOST_QUALITY_QUERIES} questions of the demo with all "
        "159 passages each. nDCG@10 in points.\n",
        "| way | largest difference of a logit | tau | nDCG@10 |",
        "|---|---:|---:|---:|",
    ]
    for name, one in quality.items():
        lines.append(f"| {name} | {one.error:.1e} | {one.tau:.3f} | {one.ndcg:.1f} |")
    return "\n".join(lines)
