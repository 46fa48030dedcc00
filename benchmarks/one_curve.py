"""How well one calibration could serve several collections, if it knew their answers.

python -m benchmarks.one_curve COLLECTION... [--depth 100] [--sample N] [--weight W] [--resume FILE]

The embedded model scores the first DEPTH candidates of BM25. Curves are fitted on the very
candidates that they are measured on, so they bound what a curve that was fitted elsewhere can do.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, product
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from benchmarks.halves import SIGMOID
from benchmarks.scored import scored_collections
from rerank_plugins.calibration.curves import Platt
from rerank_plugins.evaluation.calibration.labels import Labels, labels_of
from rerank_plugins.evaluation.calibration.reliability import brier, reliability

Sets: TypeAlias = Mapping[str, Labels]
Probabilities: TypeAlias = Mapping[str, NDArray[np.float64]]

SLOPES = np.arange(0.3, 1.6, 0.05)
INTERCEPTS = np.arange(-4.0, 1.05, 0.1)

ROUNDS = 3000
"""Steps in which the weights of the collections settle; the Brier scores move by less than 0.1%
after half of them."""


def by(curve: Callable[[NDArray[np.float64]], NDArray[np.float64]], sets: Sets) -> Probabilities:
    """The probabilities of all candidates by one curve."""
    return {name: curve(labels.scores) for name, labels in sets.items()}


def worse(probabilities: Probabilities, sets: Sets) -> list[str]:
    """The collections with a higher Brier score than the plain sigmoid's."""
    return [
        name
        for name, labels in sets.items()
        if brier(probabilities[name], labels.relevant)
        > brier(SIGMOID(labels.scores), labels.relevant) + 1e-9
    ]


def error(probabilities: Probabilities, sets: Sets) -> tuple[float, float]:
    """The calibration error and the Brier score over all collections."""
    starts = accumulate((labels.asked for labels in sets.values()), initial=0)
    found = reliability(
        np.concatenate([probabilities[name] for name in sets]),
        np.concatenate([labels.relevant for labels in sets.values()]),
        np.concatenate([one.query + at for one, at in zip(sets.values(), starts, strict=False)]),
    )
    return found.error, found.brier


def best_platt(sets: Sets) -> Probabilities:
    """Of the Platt curves with which no collection is worse, the one with the lowest error."""
    curves = [SIGMOID, *(Platt(float(a), float(b)) for a, b in product(SLOPES, INTERCEPTS))]
    allowed = [found for found in (by(curve, sets) for curve in curves) if not worse(found, sets)]
    return min(allowed, key=lambda found: error(found, sets)[0])


def isotonic(sets: Sets, weights: Sequence[float] | None = None) -> IsotonicRegression:
    """The curve that never falls with the lowest sum of the collections' weighted Brier scores.

    Args:
        sets: The collections.
        weights: Of a candidate of each; all count alike by default.
    """
    each = [1.0] * len(sets) if weights is None else weights
    return IsotonicRegression(out_of_bounds="clip").fit(
        np.concatenate([labels.scores for labels in sets.values()]),
        np.concatenate([labels.relevant for labels in sets.values()]).astype(float),
        sample_weight=np.repeat(each, [len(labels.scores) for labels in sets.values()]),
    )


def best_never_falling(sets: Sets, rounds: int = ROUNDS) -> Probabilities:
    """Of the curves that never fall and make no collection worse, the one with the lowest Brier.

    By Lagrange multipliers: those of collections that are worse rise until none is.
    """
    sizes = np.array([len(labels.scores) for labels in sets.values()], dtype=float)
    limits = np.array([brier(SIGMOID(one.scores), one.relevant) for one in sets.values()])
    multipliers = np.zeros(len(sets))
    for done in range(rounds):
        weights = 1 / sizes.sum() + multipliers / sizes
        found = by(isotonic(sets, weights.tolist()).predict, sets)
        reached = np.array([brier(found[name], one.relevant) for name, one in sets.items()])
        step = 8 / (1 + done / 300)
        multipliers = np.maximum(0, multipliers + step * (reached - limits) / limits)
    return found


def rows(sets: Sets) -> Iterator[str]:
    """A row for each way to choose a curve."""
    others = {
        name: isotonic({each: one for each, one in sets.items() if each != name}).predict(
            labels.scores
        )
        for name, labels in sets.items()
    }
    for way, found in (
        ("sigmoid", by(SIGMOID, sets)),
        ("Platt, no collection worse", best_platt(sets)),
        ("never falling, no collection worse", best_never_falling(sets)),
        ("isotonic, fitted on all", by(isotonic(sets).predict, sets)),
        ("isotonic, fitted on the others", others),
    ):
        off, mean = error(found, sets)
        yield f"| {way} | {100 * off:.1f} | {mean:.4f} | {', '.join(worse(found, sets))} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", nargs="+", type=Path)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--weight", type=float, default=0.0)
    parser.add_argument("--resume", type=Path)
    given = parser.parse_args()
    sets = {
        comparison.collection.name: labels_of([comparison], model, weight=given.weight)
        for comparison, model, _ in scored_collections(
            given.collections, depth=given.depth, sample=given.sample, seed=0, resume=given.resume
        )
    }
    sys.stdout.write(
        "| curve | points off | Brier | higher Brier than the sigmoid |\n|---|---:|---:|---|\n"
    )
    sys.stdout.writelines(f"{row}\n" for row in rows(sets))


if __name__ == "__main__":
    main()
