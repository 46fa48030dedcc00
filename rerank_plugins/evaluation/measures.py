"""Measures an order per query, and tests whether another order is better by more than luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ir_measures
import numpy as np
from scipy.stats import permutation_test

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.collection import JudgedCollection

Run = Mapping[str, Mapping[str, float]]
"""Query id -> passage id -> score, higher is better."""

MEASURES = ("nDCG@10", "RR@10", "AP", "P@10")
"""The default measures; changes are reported in the first one."""

RESAMPLES = 9999

_AT_ONCE = 2_000_000
"""Signs that the test draws at once; they take 16 MB."""


def measure_names(depth: int, wanted: Sequence[str] = MEASURES) -> list[str]:
    """The measures to report, in the notation of ir-measures, with recall at `depth` added.

    Raises:
        InvalidInputError: A measure is unknown or cannot be computed from the judgements.
    """
    return list(dict.fromkeys([*map(_checked, wanted), recall_name(depth)]))


def check_grades(collection: JudgedCollection, names: Sequence[str]) -> None:
    """Checks before the work that measures can be computed from a collection's judgements.

    Raises:
        InvalidInputError: A measure does not take the lowest or the highest relevance that occurs.
    """
    judged = (collection.judgements[query_id] for query_id in collection.queries)
    grades = sorted({grade for each in judged for grade in each.values()})
    for name in names:
        for grade in (*grades[:1], *grades[-1:]):
            try:
                _try(name, grade)
            except Exception as error:
                message = (
                    f"the measure {name!r} cannot be computed from a relevance of {grade}, which "
                    f"{collection.name} has. Give another, for example nDCG@10, RR@10, AP, P@5 or "
                    "R@100, or other values in the judgements."
                )
                raise InvalidInputError(message) from error


def recall_name(depth: int) -> str:
    """The name of recall at `depth`, which no reranker of `depth` candidates can exceed."""
    return f"R@{depth}"


def mean_name(name: str) -> str:
    """The usual name of a measure's mean over queries: MRR for RR, MAP for AP."""
    family, at, depth = name.partition("@")
    return {"RR": "MRR", "AP": "MAP"}.get(family, family) + at + depth


def measure(
    judgements: Mapping[str, Mapping[str, int]], run: Run, names: list[str]
) -> dict[str, dict[str, float]]:
    """Returns measure name -> query id -> value, for every judged query.

    A query without passages in the run counts as zero. Equal scores keep the run's order, as
    rerankers do; the files of `rerank eval --runs` give that order to other tools.
    """
    parsed = {ir_measures.parse_measure(name): name for name in names}
    values = {name: dict.fromkeys(judgements, 0.0) for name in names}
    # Ids are numbered, because some programs behind ir-measures accept no others.
    found = [query_id for query_id in judgements if run.get(query_id)]
    judged, orders = {}, {}
    for number, query_id in enumerate(found):
        order = sorted(run[query_id], key=lambda passage_id: -run[query_id][passage_id])
        places = {passage_id: place for place, passage_id in enumerate(order)}
        orders[str(number)] = {str(place): float(-place) for place in places.values()}
        judged[str(number)] = {
            str(places.setdefault(passage_id, len(places))): int(value)
            for passage_id, value in judgements[query_id].items()
        }
    for metric in ir_measures.iter_calc(list(parsed), judged, orders) if found else ():
        values[parsed[metric.measure]][found[int(metric.query_id)]] = float(metric.value)
    return values


@dataclass(frozen=True)
class Change:
    """The change of a measure by reranking, over the same queries before and after.

    Attributes:
        queries: The number of queries.
        mean: The mean of the differences, after minus before.
        better: The number of queries that rose.
        worse: The number of queries that fell.
        unchanged: The number of queries that did not change.
        p_value: How often chance alone gives a mean as far from 0, by a two-sided paired
            randomisation test that flips the signs of the differences (Smucker, Allan and
            Carterette, CIKM 2007).
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
    """The p value of n float64 differences; cached, because each output needs the same ones."""
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
            f"{name!r} is no measure of ir-measures. Give, for example, nDCG@10, RR@10, AP, P@5 or "
            "R@100; ir-measur.es lists all."
        )
        raise InvalidInputError(message) from error
    cutoff = parsed.params.get("cutoff")
    if isinstance(cutoff, int) and cutoff < 1:  # the program that computes it would end the process
        message = f"{name!r} has a cutoff below 1. Give, for example, nDCG@10, P@5 or R@100."
        raise InvalidInputError(message)
    pipeline: Any = ir_measures.DefaultPipeline
    try:
        supported = pipeline.supports(parsed)
        if supported:
            _try(str(parsed), 1)
    except Exception as error:  # programs raise many types; better now than after hours of scoring
        message = (
            f"the measure {name!r} cannot be computed here ({error!r:.200}). Give another, for "
            "example nDCG@10, RR@10, AP, P@5 or R@100."
        )
        raise InvalidInputError(message) from error
    if not supported:
        message = (
            f"the measure {name!r} needs another package; ir-measur.es names it. Without it, give, "
            "for example, nDCG@10, RR@10, AP, P@5 or R@100."
        )
        raise InvalidInputError(message)
    return str(parsed)


@lru_cache(maxsize=1024)
def _try(name: str, grade: int) -> None:
    """Computes a measure of two passages, one of them with this relevance."""
    measure({"q": {"a": grade, "b": 0}}, {"q": {"a": 2.0, "b": 1.0}}, [name])
