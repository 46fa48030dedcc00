"""How much of the full ranking's quality a part of its time gives.

python -m benchmarks.within COLLECTION... [--share S]... [--sample N] [--depth N]
    [--precision P] [--first-stage-weight auto]

Each query is ranked in full, then within a time budget of S times the seconds that this took; ways
take turns. Passages without a score stand behind the others, in the first stage's order.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.ranking import MEASURE, Values, say, say_how, show_rankings
from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.evaluation import JudgedCollection, read_collection
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.evaluation.rankings import whole_order


class Measured:
    """What the ways took and reached, over all collections.

    Args:
        shares: Parts of the full time, from 0 to 1; 1 is no budget.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        self.shares = shares
        self.late: dict[float, list[float]] = {share: [] for share in shares}
        self.depth: dict[float, list[float]] = {share: [] for share in shares}

    def values(self, reranker: Reranker, collection: JudgedCollection, depth: int) -> Values:
        """The measure of each way on one collection."""
        found = bm25_candidates(collection, depth)
        runs: dict[float, dict[str, dict[str, float]]] = {share: {} for share in self.shares}
        turns = list(self.shares)
        for query, text in collection.queries.items():
            names = list(collection.candidates(query, found.get(query, {}).items()))
            if not names:
                continue
            passages = [collection.passages[name] for name in names]
            reranker.rank(text, passages)  # tokens of passages are kept: no way meets new ones
            start = time.perf_counter()
            reranker.rank(text, passages)
            full = time.perf_counter() - start
            for share in turns:
                budget = None if share == 1 else share * full
                start = time.perf_counter()
                ranking = reranker.rank(text, passages, time_budget=budget)
                seconds = time.perf_counter() - start
                scores = whole_order(ranking, len(names))
                runs[share][query] = dict(zip(names, scores, strict=True))
                self.late[share].append(seconds - share * full)
                self.depth[share].append(len(ranking) / len(names))
            turns.append(turns.pop(0))
        judged = {name: collection.judgements[name] for name in collection.queries}
        return {
            "all" if share == 1 else f"{share:g} of the time": measure(judged, run, [MEASURE])[
                MEASURE
            ]
            for share, run in runs.items()
        }

    def lines(self) -> Iterator[str]:
        """One line per budget: how deep, and how late."""
        for share in self.shares:
            if share != 1:
                late = 1000 * np.array(self.late[share])
                yield (
                    f"{share:g} of the time: {100 * np.mean(self.depth[share]):.0f}% of the "
                    f"passages scored; after the budget's end p50 {np.median(late):.0f}, p99 "
                    f"{np.percentile(late, 99):.0f} ms"
                )


def main() -> None:
    """Prints one row per collection, the mean, and what each budget reached."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--share", type=float, action="append", help="0.5 and 0.25 unless given")
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--first-stage-weight", choices=["auto"], help="with fusion by position")
    parser.add_argument("--precision", default="bf16" if cpu_has_bf16() else "fp32")
    given = parser.parse_args()
    measured = Measured([1.0, *(given.share or [0.5, 0.25])])
    with CrossEncoderScorer(
        "embedded",
        backend="openvino",
        precision=given.precision,
        long_passages="truncate",  # what takes the time is how many are read, not how long one is
    ) as scorer:
        reranker = Reranker(scorer, scale="logit", first_stage_weight=given.first_stage_weight)
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
