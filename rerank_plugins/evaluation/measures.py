"""How good an order is, query by query, and whether another order is better by more than luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ir_measures
import numpy as np
from scipy.stats import permutation_test

from rerank_plugins.errors import InvalidInputError

Run = Mapping[str, Mapping[str, float]]
"""Query id -> passage id -> score, higher is better."""

MEASURES = ("nDCG@10", "RR@10", "AP", "P@10")
"""What is measured unless asked otherwise; the first is the one that changes are shown of."""

RESAMPLES = 9999

_AT_ONCE = 2_000_000
"""Signs drawn at once by the test: 16 MB of them."""


def measure_names(depth: int, wanted: Sequence[str] = MEASURES) -> list[str]:
    """The measures that are reported, in ir-measures' notation; recall is the first stage's.

    Raises:
        InvalidInputError: One is no measure, or needs more than the judgements.
    """
    return list(dict.fromkeys([*map(_checked, wanted), recall_name(depth)]))


def recall_name(depth: int) -> str:
    """The share of what is relevant among the first `depth`: what no reranker can exceed."""
    return f"R@{depth}"


def mean_name(name: str) -> str:
    """What the field calls a measure's mean over queries: MRR of RR, MAP of AP."""
    family, at, depth = name.partition("@")
    return {"RR": "MRR", "AP": "MAP"}.get(family, family) + at + depth


def measure(
    judgements: Mapping[str, Mapping[str, int]], run: Run, names: list[str]
) -> dict[str, dict[str, float]]:
    """Returns measure name -> query id -> value, for every judged query.

    A query that the run lacks, or has nothing for, counts as zero. Equal scores keep the run's
    order, as rerankers do; the files of `rerank eval --runs` say that order to other tools.
    """
    parsed = {ir_measures.parse_measure(name): name for name in names}
    values = {name: dict.fromkeys(judgements, 0.0) for name in names}
    # By number: some of the programs behind ir-measures take no other ids.
    found = [query_id for query_id in judgements if run.get(query_id)]
    judged = {
        str(number): {name: int(value) for name, value in judgements[query_id].items()}
        for number, query_id in enumerate(found)
    }
    orders = {str(number): _by_place(run[query_id]) for number, query_id in enumerate(found)}
    for metric in ir_measures.iter_calc(list(parsed), judged, orders) if found else ():
        values[parsed[metric.measure]][found[int(metric.query_id)]] = float(metric.value)
    return values


@dataclass(frozen=True)
class Change:
    """What reranking did to a measure, over the same queries before and after.

    Attributes:
        queries: How many queries there are.
        mean: Mean of the differences, after minus before.
        better: How many queries rose.
        worse: How many fell.
        unchanged: How many stayed.
        p_value: Two-sided paired randomisation test (signs of the differences flipped; Smucker,
            Allan and Carterette, CIKM 2007): how often chance alone gives a mean as far from 0.
    """

    queries: int
    mean: float
    better: int
    worse: int
    unchanged: int
    p_value: float


def change(before: Mapping[str, float], after: Mapping[str, float]) -> Change:
    """Returns the change of one measure; both map the same query ids to values."""
    differences = np.array(list(deltas(before, after).values()), dtype=np.float64)
    moved = np.abs(differences) > 1e-9
    p_value = _p_value(differences.tobytes()) if moved.any() and len(differences) > 1 else 1.0
    return Change(
        queries=len(differences),
        mean=float(differences.mean()) if len(differences) else 0.0,
        better=int((differences[moved] > 0).sum()),
        worse=int((differences[moved] < 0).sum()),
        unchanged=int((~moved).sum()),
        p_value=p_value,
    )


@lru_cache(maxsize=1024)
def _p_value(differences: bytes) -> float:
    """The p value of differences, n float64 numbers; each output asks for the same ones."""
    values = np.frombuffer(differences)
    return float(
        permutation_test(
            (values,),
            np.mean,
            permutation_type="samples",
            n_resamples=RESAMPLES,
            batch=max(1, _AT_ONCE // len(values)),
            vectorized=True,
            rng=0,
        ).pvalue
    )


def deltas(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Returns query id -> after minus before."""
    return {query_id: after[query_id] - value for query_id, value in before.items()}


def _checked(name: str) -> str:
    try:
        parsed = ir_measures.parse_measure(name)
    except (NameError, ValueError, SyntaxError, TypeError) as error:
        message = (
            f"{name!r} is no measure of ir-measures. Give for example nDCG@10, RR@10, AP, P@5, "
            "R@100; ir-measur.es lists all"
        )
        raise InvalidInputError(message) from error
    cutoff = parsed.params.get("cutoff")
    if isinstance(cutoff, int) and cutoff < 1:  # the program behind it would end the process
        message = f"{name!r} has a cutoff below 1. Give for example nDCG@10, P@5, R@100"
        raise InvalidInputError(message)
    pipeline: Any = ir_measures.DefaultPipeline
    try:
        supported = pipeline.supports(parsed)
        if supported:
            measure({"q": {"a": 1, "b": 0}}, {"q": {"a": 2.0, "b": 1.0}}, [str(parsed)])
    except Exception as error:  # whatever a measure's own program raises, before hours of scoring
        message = (
            f"the measure {name!r} cannot be computed here ({error!r:.200}). Give another, for "
            "example nDCG@10, RR@10, AP, P@5, R@100"
        )
        raise InvalidInputError(message) from error
    if not supported:
        message = (
            f"the measure {name!r} needs a package of its own: ir-measur.es says which. Without "
            "it, give for example nDCG@10, RR@10, AP, P@5, R@100"
        )
        raise InvalidInputError(message)
    return str(parsed)


def _by_place(scores: Mapping[str, float]) -> dict[str, float]:
    """The same order with scores that all differ."""
    order = sorted(scores, key=lambda passage_id: -scores[passage_id])
    return {passage_id: float(-place) for place, passage_id in enumerate(order)}
