"""How good an order is, query by query, and whether another order is better by more than luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ir_measures
import numpy as np
from scipy.stats import permutation_test

Run = Mapping[str, Mapping[str, float]]
"""Query id -> passage id -> score, higher is better."""

RESAMPLES = 9999


def measure_names(depth: int) -> list[str]:
    """The measures that are reported, in ir-measures' notation; recall is the first stage's."""
    return ["nDCG@10", "RR@10", "AP", "P@10", f"R@{depth}"]


def measure(
    judgements: Mapping[str, Mapping[str, int]], run: Run, names: list[str]
) -> dict[str, dict[str, float]]:
    """Returns measure name -> query id -> value, for every judged query.

    A query that the run lacks counts as zero.
    """
    parsed = {ir_measures.parse_measure(name): name for name in names}
    values: dict[str, dict[str, float]] = {name: {} for name in names}
    judged = {query_id: dict(passages) for query_id, passages in judgements.items()}
    orders = {query_id: dict(passages) for query_id, passages in run.items()}
    for metric in ir_measures.iter_calc(list(parsed), judged, orders):
        values[parsed[metric.measure]][metric.query_id] = float(metric.value)
    return values


@dataclass(frozen=True)
class Change:
    """What reranking did to a measure, over the same queries before and after.

    Attributes:
        mean: Mean of the differences, after minus before.
        better: How many queries rose.
        worse: How many fell.
        unchanged: How many stayed.
        p_value: Two-sided paired randomisation test (signs of the differences flipped; Smucker,
            Allan and Carterette, CIKM 2007): how often chance alone gives a mean as far from 0.
    """

    mean: float
    better: int
    worse: int
    unchanged: int
    p_value: float


def change(before: Mapping[str, float], after: Mapping[str, float]) -> Change:
    """Returns the change of one measure; both map the same query ids to values."""
    differences = np.array([after[query_id] - value for query_id, value in before.items()])
    moved = np.abs(differences) > 1e-9
    p_value = 1.0
    if moved.any() and len(differences) > 1:
        p_value = float(
            permutation_test(
                (differences,),
                np.mean,
                permutation_type="samples",
                n_resamples=RESAMPLES,
                vectorized=True,
                rng=0,
            ).pvalue
        )
    return Change(
        mean=float(differences.mean()) if len(differences) else 0.0,
        better=int((differences[moved] > 0).sum()),
        worse=int((differences[moved] < 0).sum()),
        unchanged=int((~moved).sum()),
        p_value=p_value,
    )
