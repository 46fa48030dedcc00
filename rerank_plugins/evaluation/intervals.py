"""How much better one order is than another over several collections, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.evaluation.comparison import Order
from rerank_plugins.evaluation.measures import RESAMPLES, deltas

CONFIDENCE = 0.95

_AT_ONCE = 2_000_000
"""Queries drawn at once; they take 32 MB."""


@dataclass(frozen=True)
class Gain:
    """The mean change of a measure from one order to another, over collections.

    Attributes:
        mean: The mean over the collections of the mean over their queries.
        low: The lower end of the interval.
        high: The upper end: in 95 of 100 samples of queries as large as this one, the interval
            holds the mean of all queries that could be asked.
    """

    mean: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether it is a gain by more than luck: the whole interval lies above 0."""
        return self.low > 0


def gain(name: str, before: Sequence[Order], after: Sequence[Order]) -> Gain:
    """Returns the gain in a measure, with the interval of a bootstrap over queries.

    Queries are drawn with replacement, within each collection.

    Args:
        name: The measure.
        before: One order per collection.
        after: The other order of each collection.
    """
    rng = np.random.default_rng(0)
    means, resampled = [], []
    for old, new in zip(before, after, strict=True):
        differences = np.array(list(deltas(old.values[name], new.values[name]).values()))
        means.append(float(differences.mean()))
        resampled.append(_resampled(differences, rng))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(np.mean(resampled, axis=0), [tail, 100 - tail])
    return Gain(float(np.mean(means)), float(low), float(high))


def _resampled(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Means of as many values as there are, drawn with replacement, `RESAMPLES` times."""
    count = len(values)
    rows = max(1, _AT_ONCE // count)
    return np.concatenate(
        [
            values[rng.integers(count, size=(min(rows, RESAMPLES - done), count))].mean(axis=1)
            for done in range(0, RESAMPLES, rows)
        ]
    )
