"""How much of the full ranking's quality a part of its time gives.

python -m benchmarks.within COLLECTION... [--share S]... [--sample N] [--depth N]
    [--precision P]

Each query is ranked in full, then within a time budget of S times the seconds that this took; ways
take turns. Passages without a score stand behind the others, in the first stage's order. Each
ranking is measured twice: ordered by the model alone, and with the first stage's opinion.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.ranking import MEASURE, Values, say, say_how, show_rankings
from rerank_plugins import CrossEncoderScorer, RankedList, Reranker
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.evaluation import JudgedCollection, read_collection
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.evaluation.rankings import whole_order


class Measured:
    """What the ways took and reached, over all collections.

    Args:
        shares: Parts of the full time, above 0 and below 1.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        self.shares = shares
        self.late: dict[float, list[float]] = {share: [] for share in shares}
        self.depth: dict[float, list[float]] = {share: [] for share in shares}

    def values(self, reranker: Reranker, collection: JudgedCollection, depth: int) -> Values:
        """The measure of each way on one collection."""
        found = bm25_candidates(collection, depth)
        ways = zip(*(_ways(share) for share in (1.0, *self.shares)), strict=True)
        runs: dict[str, dict[str, dict[str, float]]] = {way: {} for each in ways for way in each}
        turns = list(self.shares)
        for query, text in collection.queries.items():
            names = list(collection.candidates(query, found.get(query, {}).items()))
            if not names:
                continue
            passages = [collection.passages[name] for name in names]
            reranker.rank(text, passages)  # tokens of passages are kept: no way meets new ones
            start = time.perf_counter()
            rankings = {1.0: reranker.rank(text, passages)}
            full = time.perf_counter() - start
            for share in turns:
                start = time.perf_counter()
                rankings[share] = reranker.rank(text, passages, time_budget=share * full)
                self.late[share].append(time.perf_counter() - start - share * full)
                self.depth[share].append(len(rankings[share]) / len(names))
            for share, ranking in rankings.items():
                for way, each in zip(_ways(share), (_by_model(ranking), ranking), strict=True):
                    scores = whole_order(each, len(names))
                    runs[way][query] = dict(zip(names, scores, strict=True))
            turns.append(turns.pop(0))
        judged = {name: collection.judgements[name] for name in collection.queries}
        return {way: measure(judged, run, [MEASURE])[MEASURE] for way, run in runs.items()}

    def lines(self) -> Iterator[str]:
        """One line per budget: how deep, and how late."""
        for share in self.shares:
            late = 1000 * np.array(self.late[share])
            yield (
                f"{share:g} of the time: {100 * np.mean(self.depth[share]):.0f}% of the passages "
                f"scored; after the budget's end p50 {np.median(late):.0f}, p99 "
                f"{np.percentile(late, 99):.0f} ms"
            )


def _ways(share: float) -> tuple[str, str]:
    """The names of a ranking by the model alone, and with the first stage's opinion."""
    name = "all" if share == 1 else f"{share:g} of the time"
    return name, f"{name} + first stage"


def _by_model(ranking: RankedList) -> RankedList:
    """The same results with the model's scores alone."""
    alone = [replace(each, score=each.model_score) for each in ranking]
    return RankedList(alone, unscored=ranking.unscored)


def main() -> None:
    """Prints one row per collection, the mean, and what each budget reached."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--share", type=float, action="append", help="0.5 and 0.25 unless given")
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--precision", default="bf16" if cpu_has_bf16() else "fp32")
    given = parser.parse_args()
    measured = Measured(given.share or [0.5, 0.25])
    with CrossEncoderScorer(
        "embedded",
        backend="openvino",
        precision=given.precision,
        long_passages="truncate",  # what takes the time is how many are read, not how long one is
    ) as scorer:
        reranker = Reranker(scorer, scale="logit", first_stage_weight="auto")
        show_rankings(
            (folder.name, measured.values(reranker, _sampled(folder, given.sample), given.depth))
            for folder in given.collections
        )
    for line in measured.lines():
        say(line)
    say_how("benchmarks.within")


def _sampled(folder: Path, count: int) -> JudgedCollection:
    return read_collection(folder).sample(count, seed=0)


if __name__ == "__main__":
    main()
