"""How far probabilities are from what happens: Brier score, calibration error, the diagram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Bins of the calibration error, each with about as many candidates as the others."""

RESAMPLES = 1000
_TAILS = (2.5, 97.5)


@dataclass(frozen=True)
class Bin:
    """Candidates with similar probabilities.

    Attributes:
        said: Their mean probability.
        happened: The share of them that is relevant.
        count: How many they are.
    """

    said: float
    happened: float
    count: int


@dataclass(frozen=True)
class Reliability:
    """What probabilities are worth on judged candidates.

    Attributes:
        error: The expected calibration error: by how much probability and relevant share differ,
            mean over bins with equally many candidates.
        low: The lower end of its 95% interval, by drawing queries anew.
        high: The upper end.
        brier: The mean squared difference between the probability and being relevant (0 or 1).
        bins: The bins.
    """

    error: float
    low: float
    high: float
    brier: float
    bins: tuple[Bin, ...]


def reliability(
    probabilities: NDArray[np.float64],
    relevant: NDArray[np.bool_],
    query: NDArray[np.intp],
    *,
    bins: int = BINS,
) -> Reliability:
    """Returns how far n probabilities are from what happened.

    Args:
        probabilities: Shape `(n,)`.
        relevant: Whether each candidate is relevant, shape `(n,)`.
        query: The number of its query. Whole queries are drawn for the interval, because the
            candidates of one query are alike.
        bins: The number of bins; equal probabilities share one, so there may be fewer.
    """
    edges = np.unique(np.quantile(probabilities, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, probabilities, side="right")
    queries, owner = np.unique(query, return_inverse=True)
    sums = [
        _by_query_and_bin(values, owner, place, (len(queries), len(edges) + 1))
        for values in (np.ones(len(place)), probabilities, relevant.astype(np.float64))
    ]
    counts, said, happened = (each.sum(axis=0) for each in sums)
    drawn = np.random.default_rng(0).multinomial(
        len(queries), np.full(len(queries), 1 / len(queries)), size=RESAMPLES
    )
    resampled = _error(*(drawn @ each for each in sums))
    low, high = np.percentile(resampled, _TAILS)
    return Reliability(
        float(_error(counts, said, happened)),
        float(low),
        float(high),
        brier(probabilities, relevant),
        tuple(
            Bin(said_sum / count, relevant_sum / count, int(count))
            for count, said_sum, relevant_sum in zip(
                counts.tolist(), said.tolist(), happened.tolist(), strict=True
            )
            if count
        ),
    )


def brier(probabilities: NDArray[np.float64], relevant: NDArray[np.bool_]) -> float:
    """The mean squared difference between probabilities and what happened."""
    return float(np.mean((probabilities - relevant) ** 2))


def _error(
    counts: NDArray[np.float64], said: NDArray[np.float64], happened: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The calibration error of sums over bins, which are the last axis."""
    errors: NDArray[np.float64] = np.abs(said - happened).sum(axis=-1) / counts.sum(axis=-1)
    return errors


def _by_query_and_bin(
    values: NDArray[np.float64],
    owner: NDArray[np.intp],
    place: NDArray[np.intp],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    sums = np.zeros(shape)
    np.add.at(sums, (owner, place), values)
    return sums
