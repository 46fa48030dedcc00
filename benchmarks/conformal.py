"""Whether the threshold with a promise keeps it: random splits into queries to fit and to test.

python -m benchmarks.conformal COLLECTION... --queries N... [--splits 200] [--depth 10] [--sample N]
    [--resume FILE]

The embedded model scores the first DEPTH candidates of BM25. Of the queries with a relevant
candidate, N choose the threshold and all others are tested.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom

from benchmarks.scored import scored_collections
from rerank_plugins.calibration.curves import Platt
from rerank_plugins.evaluation.calibration.labels import Labels, labels_of
from rerank_plugins.evaluation.calibration.thresholds import conformal

WANTED = 0.9
ANY = Platt(1.0, 0.0)
"""The threshold on scores is the same whatever they mean."""
FEWEST_TESTED = 50


def coverages(labels: Labels, fitted: int, splits: int) -> NDArray[np.float64]:
    """The share of the tested queries that keep a relevant passage, for each split.

    Args:
        labels: The candidates; every query has a relevant one.
        fitted: The number of queries that choose the threshold.
        splits: The number of splits.
    """
    best = labels.best(labels.relevant)
    found = np.empty(splits)
    for split in range(splits):
        order = np.random.default_rng(split).permutation(labels.asked)
        chosen = np.isin(labels.query, order[:fitted])
        threshold = conformal(labels.only(chosen), ANY, WANTED)
        if threshold is None:
            message = f"{fitted} queries are too few to promise {WANTED:.0%}."
            raise SystemExit(message)
        found[split] = (best[order[fitted:]] >= threshold.score).mean()
    return found


def answerable(labels: Labels) -> Labels:
    """The candidates of the queries that have a relevant one, whose queries are numbered anew."""
    has_one = np.isfinite(labels.best(labels.relevant))
    kept = labels.only(has_one[labels.query])
    numbers = np.cumsum(has_one) - 1
    return Labels(
        kept.scores,
        kept.relevant,
        kept.judged,
        numbers[kept.query],
        int(has_one.sum()),
        kept.passages,
    )


def rows(name: str, labels: Labels, queries: Sequence[int], splits: int) -> Iterator[str]:
    """A row of the table for each number of queries that leaves enough to test."""
    for fitted in queries:
        tested = labels.asked - fitted
        if tested < FEWEST_TESTED:
            continue
        found = coverages(labels, fitted, splits)
        place = int(np.floor((1 - WANTED) * (fitted + 1) + 1e-9))
        spread = betabinom(tested, fitted + 1 - place, place)
        error = found.std(ddof=1) / np.sqrt(splits)
        kept = "yes" if found.mean() >= WANTED - 2 * error else "no"
        yield (
            f"| {name} | {fitted} | {tested} | {100 * found.mean():.1f}% | {100 * error:.2f} | "
            f"{kept} | {100 * found.std(ddof=1):.1f} | {100 * spread.std() / tested:.1f} |"
        )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", nargs="+", type=Path)
    parser.add_argument("--queries", nargs="+", type=int, default=[50, 100, 400])
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--depth", type=int, default=10)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--resume", type=Path)
    given = parser.parse_args()
    sys.stdout.write(
        "| collection | n | tested | mean kept | standard error | at least 90% less two of them | "
        "spread | spread by Beta |\n|---|---:|---:|---:|---:|---|---:|---:|\n"
    )
    for comparison, model, _ in scored_collections(
        given.collections, depth=given.depth, sample=given.sample, seed=1, resume=given.resume
    ):
        labels = answerable(labels_of([comparison], model))
        for row in rows(comparison.collection.name, labels, given.queries, given.splits):
            sys.stdout.write(f"{row}\n")


if __name__ == "__main__":
    main()
