"""The first stage's opinion added to a reranker's scores, with a weight found by cross-fitting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.first_stage import Candidates
from rerank_plugins.evaluation.intervals import Gain, gain
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.ranking.fusion import position_bonus

WEIGHTS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0)
"""The weights that are tried, in logits; models differ in how far their logits spread."""

FOLDS = 10
"""Each fold's weight is chosen on nine tenths of the queries."""

NEARLY_EQUAL = 0.002
"""Of weights whose means differ by no more than this, the smallest is chosen."""

_WITHOUT = WEIGHTS.index(0.0)


@dataclass(frozen=True)
class Fusion:
    """A reranker with the first stage's opinion added, against the reranker alone.

    Attributes:
        name: The reranker's name.
        weight: The weight chosen on all queries, the one to use from now on.
        fold_weights: The weight of each fold, chosen on the queries of the other folds.
        by_weight: Each weight that was tried, and the mean of the first measure over all queries.
        orders: For each collection its fused order, in which each query has its fold's weight.
        over_model: The gain of these orders over the reranker alone.
        over_first_stage: Their gain over the first stage.
        model_over_first_stage: The gain of the reranker alone over the first stage.
        options: What the reranker was made with.
    """

    name: str
    weight: float
    fold_weights: tuple[float, ...]
    by_weight: Mapping[float, float]
    orders: tuple[Order, ...]
    over_model: Gain
    over_first_stage: Gain
    model_over_first_stage: Gain
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def queries(self) -> int:
        """The number of queries of all collections."""
        return sum(len(order.run) for order in self.orders)

    @property
    def alone(self) -> float:
        """The reranker alone: the first measure, mean over the collections."""
        return self.by_weight[0.0]

    @property
    def fused(self) -> float:
        """The fused orders: the first measure, mean over the collections."""
        return self.alone + self.over_model.mean


def fused_order(
    comparison: Comparison, order: Order, weights: float | Mapping[str, float], name: str
) -> Order:
    """Returns an order of the comparison with the first stage's opinion added, at no cost in time.

    Args:
        comparison: The comparison, for the judgements and the measures.
        order: A reranker's order.
        weights: Logits per bonus of one: one weight, or one for each query id.
        name: The name of the new order.
    """
    by_query = weights if isinstance(weights, Mapping) else dict.fromkeys(order.run, weights)
    run = _fused(order.run, by_query)
    return replace(
        order, name=name, run=run, values=measure(comparison.judged, run, comparison.measures)
    )


def cross_fitted(
    comparisons: Sequence[Comparison], name: str, options: Mapping[str, Any] | None = None
) -> Fusion:
    """Finds the weight of the first stage's opinion, and measures it on queries it did not see.

    The queries of each collection are dealt into folds. The weight of a fold's queries is the one
    that is best for the queries of all other folds, by the mean over the collections of the first
    measure. No query has a part in choosing the weight that it is measured with.

    Args:
        comparisons: One per collection; all have this reranker.
        name: The reranker's name.
        options: What the reranker was made with.
    """
    orders = [each.order(name) for each in comparisons]
    values = [_by_weight(each, order) for each, order in zip(comparisons, orders, strict=True)]
    folds = [np.random.default_rng(0).permutation(len(each)) % FOLDS for each in values]
    chosen = [
        _chosen([each[fold != number] for each, fold in zip(values, folds, strict=True)])
        for number in range(FOLDS)
    ]
    fused = tuple(
        fused_order(
            comparison,
            order,
            {query: WEIGHTS[chosen[n]] for query, n in zip(order.run, fold, strict=True)},
            f"{name} + first stage",
        )
        for comparison, order, fold in zip(comparisons, orders, folds, strict=True)
    )
    before = [comparison.first_stage for comparison in comparisons]
    first = comparisons[0].measures[0]
    return Fusion(
        name,
        WEIGHTS[_chosen(values)],
        tuple(WEIGHTS[index] for index in chosen),
        dict(zip(WEIGHTS, map(float, _means(values)), strict=True)),
        fused,
        gain(first, orders, fused),
        gain(first, before, fused),
        gain(first, before, orders),
        options or {},
    )


def with_orders(
    comparisons: Sequence[Comparison], orders: Sequence[Sequence[Order]]
) -> list[Comparison]:
    """Returns the comparisons with more orders behind those that they have.

    Args:
        comparisons: The comparisons.
        orders: For each new order its form in each of the comparisons.
    """
    return [
        replace(comparison, reranked=[*comparison.reranked, *(each[number] for each in orders)])
        for number, comparison in enumerate(comparisons)
    ]


def _fused(run: Candidates, weights: Mapping[str, float]) -> Candidates:
    """The scores of each query's candidates, which come in first-stage order, with the bonus."""
    return {
        query_id: dict(
            zip(
                scores,
                (list(scores.values()) + weights[query_id] * position_bonus(len(scores))).tolist(),
                strict=True,
            )
        )
        for query_id, scores in run.items()
    }


def _by_weight(comparison: Comparison, order: Order) -> NDArray[np.float64]:
    """The first measure of n queries with each of w weights, shape `(n, w)`."""
    name = comparison.measures[0]
    columns = []
    for weight in WEIGHTS:
        run = _fused(order.run, dict.fromkeys(order.run, weight))
        found = measure(comparison.judged, run, [name])[name]
        columns.append([found[query_id] for query_id in order.run])
    return np.array(columns).T


def _means(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean over collections of each weight's mean over their queries, shape `(w,)`."""
    means: NDArray[np.float64] = np.mean(
        [each.mean(axis=0) for each in values if len(each)], axis=0
    )
    return means


def _chosen(values: Sequence[NDArray[np.float64]]) -> int:
    """The index of the smallest weight that is nearly as good as the best."""
    if not any(map(len, values)):
        return _WITHOUT
    means = _means(values)
    return int(np.argmax(means >= means.max() - NEARLY_EQUAL))
