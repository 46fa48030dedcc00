"""How far probabilities are from what happens: Brier score, calibration error, the diagram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Bins of the calibration error, each with about as many candidates as the others."""

RESAMPLES = 1000
_TAILS = (2.5, 97.5)
_STEPS = 200
"""True errors that the interval is looked for among."""


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
        low: The lower end of the 95% interval of the true error, which has no noise in it.
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
    gaps = _gaps(counts, said, happened)
    noise = _gaps(*(drawn @ each for each in sums)) - gaps
    low, high = _interval(gaps, noise, counts / counts.sum())
    return Reliability(
        float(np.abs(gaps).sum()),
        low,
        high,
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


def _gaps(
    counts: NDArray[np.float64], said: NDArray[np.float64], happened: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What each bin, on the last axis, adds to the error, with its sign."""
    gaps: NDArray[np.float64] = (said - happened) / counts.sum(axis=-1, keepdims=True)
    return gaps


def _interval(
    gaps: NDArray[np.float64], noise: NDArray[np.float64], shares: NDArray[np.float64]
) -> tuple[float, float]:
    """The true errors for which the measured one is none of the 5% most unlikely.

    Chance adds to the absolute value of each gap, so the measured error is too high, and that of
    queries drawn anew is higher still. Therefore the interval is not that of the drawn errors: a
    true error is tried by adding the noise to gaps that have it. How it spreads over the bins is
    not known, so two ways are tried: as measured, and without what may be noise in each bin. The
    measured error itself is always in the interval.

    Args:
        gaps: What each of n bins adds to the error, with its sign, shape `(n,)`.
        noise: By how much the gaps of drawn queries differ from these, shape `(draws, n)`.
        shares: The share of the candidates in each bin, shape `(n,)`.
    """
    error = np.abs(gaps).sum()
    clear = np.sign(gaps) * np.maximum(np.abs(gaps) - noise.std(axis=0), 0)
    shapes = [each / np.abs(each).sum() for each in (gaps, clear) if each.any()] or [shares]
    likely = []
    for true in np.linspace(0, error + np.abs(noise).sum(axis=1).max(), _STEPS).tolist():
        measured = [np.abs(true * shape + noise).sum(axis=1) for shape in shapes]
        ends = np.percentile(measured, _TAILS, axis=1)
        if ((ends[0] <= error) & (error <= ends[1])).any():
            likely.append(true)
    return min(likely, default=0.0), max([*likely, float(error)])


def _by_query_and_bin(
    values: NDArray[np.float64],
    owner: NDArray[np.intp],
    place: NDArray[np.intp],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    sums = np.zeros(shape)
    np.add.at(sums, (owner, place), values)
    return sums
