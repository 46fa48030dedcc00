"""What a calibration of one's own is worth: half of a collection's queries fit it, half measure it.

python -m benchmarks.halves COLLECTION... [--splits 20] [--depth 100] [--sample N] [--weight W]
    [--resume FILE]

The embedded model scores the first DEPTH candidates of BM25. All figures are means over SPLITS
random halves; the plain sigmoid and the calibration that the model ships are measured on the same
halves.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.scored import scored_collections
from rerank_plugins.calibration.curves import Curve, Platt
from rerank_plugins.evaluation.calibration.fitting import fitted
from rerank_plugins.evaluation.calibration.labels import Labels, labels_of
from rerank_plugins.evaluation.calibration.reliability import reliability
from rerank_plugins.ranking.calibrating import Calibrator

SIGMOID = Platt(1.0, 0.0)


@dataclass(frozen=True)
class Half:
    """The tested half of a collection's queries.

    Attributes:
        labels: Its candidates.
        probabilities: Theirs by the plain sigmoid, the shipped curve, and that of the other half.
    """

    labels: Labels
    probabilities: Sequence[NDArray[np.float64]]


def other_halves(labels: Labels, shipped: Curve, splits: int) -> Iterator[Half]:
    """Fits a curve on one half of the queries and yields the other one, for each split."""
    for split in range(splits):
        order = np.random.default_rng(split).permutation(labels.asked)
        chosen = np.isin(labels.query, order[: labels.asked // 2])
        own = fitted(labels.only(chosen)).curve
        tested = labels.only(~chosen)
        yield Half(tested, [curve(tested.scores) for curve in (SIGMOID, shipped, own)])


def row(name: str, splits: Sequence[Sequence[Half]]) -> str:
    """A row of the table.

    Args:
        name: The collection.
        splits: The half of each split; those of several collections are measured together.
    """
    labels = [half.labels for half in splits[0]]
    errors, briers = np.mean([_figures(halves) for halves in splits], axis=0)
    cells = [
        name,
        str(sum(each.asked for each in labels)),
        f"{100 * np.concatenate([each.relevant for each in labels]).mean():.1f}%",
        *(f"{100 * each:.1f}" for each in errors),
        *(f"{each:.4f}" for each in briers),
    ]
    return f"| {' | '.join(cells)} |"


def _figures(halves: Sequence[Half]) -> NDArray[np.float64]:
    """The calibration errors and the Brier scores of the three curves, shape `(2, 3)`."""
    starts = accumulate((half.labels.asked for half in halves), initial=0)
    query = [half.labels.query + start for half, start in zip(halves, starts, strict=False)]
    relevant = np.concatenate([half.labels.relevant for half in halves])
    found = [
        reliability(np.concatenate(each), relevant, np.concatenate(query))
        for each in zip(*(half.probabilities for half in halves), strict=True)
    ]
    return np.array([[each.error for each in found], [each.brier for each in found]])


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", nargs="+", type=Path)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--weight", type=float, default=0.0)
    parser.add_argument("--resume", type=Path)
    given = parser.parse_args()
    sys.stdout.write(
        "| collection | queries | relevant | points off: sigmoid | shipped | own half | "
        "Brier: sigmoid | shipped | own half |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    )
    calibrator = Calibrator("auto")
    found: list[list[Half]] = []
    for comparison, model, scorer in scored_collections(
        given.collections, depth=given.depth, sample=given.sample, seed=0, resume=given.resume
    ):
        labels = labels_of([comparison], model, weight=given.weight)
        shipped = calibrator.curve(scorer, given.weight)
        found.append(list(other_halves(labels, shipped, given.splits)))
        sys.stdout.write(f"{row(comparison.collection.name, [[half] for half in found[-1]])}\n")
    sys.stdout.write(f"{row('all together', list(zip(*found, strict=True)))}\n")


if __name__ == "__main__":
    main()
