"""What thresholds keep, and the one that keeps a relevant passage for most queries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from rerank_plugins.calibration.curves import Curve
from rerank_plugins.evaluation.calibration.fitting import FEWEST
from rerank_plugins.evaluation.calibration.labels import Labels

THRESHOLDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
"""The probabilities that the table has a row for."""

_DIGITS = 3
"""Significant digits of a threshold: enough for its promise, few enough to be typed."""

CLEAN = 0.8
"""The share of hopeless queries that must come back empty for a separation to be called clean."""


@dataclass(frozen=True)
class Kept:
    """What a threshold keeps.

    Attributes:
        threshold: The probability.
        share: The share of all candidates that is kept.
        precision: The share of the kept ones that is relevant; `None` if none is kept.
        recall: The share of the relevant candidates that is kept.
        queries: The share of the queries with a relevant candidate that keep one.
    """

    threshold: float
    share: float
    precision: float | None
    recall: float
    queries: float


@dataclass(frozen=True)
class Conformal:
    """A threshold that keeps a relevant passage for a share of queries that was asked for.

    The promise is about queries like these, for which the first stage finds a relevant passage, and
    holds whatever the curve is: one that does not fall keeps the same passages, and those that
    share their probability.

    Attributes:
        wanted: The share of queries.
        score: The threshold on the scores that order.
        probability: The threshold on the calibrated scale, rounded down.
        queries: The number of queries with a relevant candidate that it was chosen by.
        low: The lower end of the 95% interval of the share of new queries that keep one.
        high: The upper end.
        hopeless: The number of queries with a candidate that is not relevant. With the relevant
            ones taken away, each of them is a query without an answer.
        emptied: The share of these that then come back empty; 0 if there are none.
    """

    wanted: float
    score: float
    probability: float
    queries: int
    low: float
    high: float
    hopeless: int
    emptied: float

    @property
    def is_clean(self) -> bool | None:
        """Whether it tells answered queries from hopeless ones; `None` if these are too few."""
        return self.emptied >= CLEAN if self.hopeless >= FEWEST else None


def kept_by(
    labels: Labels, probabilities: NDArray[np.float64], thresholds: Sequence[float] = THRESHOLDS
) -> list[Kept]:
    """Returns one row per threshold."""
    relevant = labels.relevant
    found = np.unique(labels.query[relevant])
    rows = []
    for threshold in thresholds:
        kept = probabilities >= threshold
        right = kept & relevant
        rows.append(
            Kept(
                threshold,
                float(kept.mean()),
                float(right.sum() / kept.sum()) if kept.any() else None,
                float(right.sum() / relevant.sum()),
                len(np.unique(labels.query[right])) / len(found),
            )
        )
    return rows


def fewest_queries(wanted: float) -> int:
    """The number of queries with which a share can be promised at all."""
    return int(np.ceil(1 / (1 - wanted) - 1e-9)) - 1


def conformal(labels: Labels, curve: Curve, wanted: float = 0.9) -> Conformal | None:
    """Returns the highest threshold that keeps a relevant passage for that share of queries.

    Of n queries with a relevant candidate, take the best relevant score of each. A new query's is
    equally likely to fall between any two of them, so with k = floor((1 - wanted) (n + 1)) it is at
    least the k-th smallest with a probability of at least `wanted`. Over many samples of n queries
    the share that is kept spreads as Beta(n + 1 - k, k).

    Args:
        labels: The candidates.
        curve: What their scores mean.
        wanted: The share of queries.

    Returns:
        The threshold; `None` if the queries are too few for any promise.
    """
    best = labels.best(labels.relevant)
    best = np.sort(best[np.isfinite(best)])
    count = len(best)
    place = int(np.floor((1 - wanted) * (count + 1) + 1e-9))
    if place < 1:
        return None
    score = float(best[place - 1])
    low, high = beta.ppf([0.025, 0.975], count + 1 - place, place)
    wrong = labels.best(~labels.relevant)
    wrong = wrong[np.isfinite(wrong)]
    probability = _rounded_down(float(curve(best[place - 1 : place])[0]))
    emptied = float((curve(wrong) < probability).mean()) if len(wrong) else 0.0
    return Conformal(
        wanted, score, probability, count, float(low), float(high), len(wrong), emptied
    )


def _rounded_down(value: float) -> float:
    """A probability with a few significant digits, never more than it is."""
    if value <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - _DIGITS + 1)
    return float(f"{math.floor(value / step + 1e-9) * step:.12g}")
