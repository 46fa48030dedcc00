"""The queries that reranking changed most, for worse and for better, and what it put first."""

from __future__ import annotations

from dataclasses import dataclass

from rerank_plugins.evaluation.collection import JudgedCollection
from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.measures import deltas

WORST = 10
"""Queries that are listed of those that lost, and of those that won."""


@dataclass(frozen=True)
class JudgedPassage:
    """A candidate, and what the judges say of it for the query.

    Attributes:
        passage_id: Its id.
        text: Its text.
        relevance: As judged; `None` if nobody judged it.
    """

    passage_id: str
    text: str
    relevance: int | None


@dataclass(frozen=True)
class QueryChange:
    """A query with a measure of it before and after reranking.

    Attributes:
        query_id: Its id.
        query: Its text.
        before: The measure in first-stage order.
        after: The measure after reranking.
        first_before: What the first stage had put first; `None` where it found nothing.
        first_after: What stands first after reranking.
    """

    query_id: str
    query: str
    before: float
    after: float
    first_before: JudgedPassage | None
    first_after: JudgedPassage | None


def worst_queries(
    comparison: Comparison, order: Order, name: str | None = None, count: int = WORST
) -> list[QueryChange]:
    """Returns the queries that lost most by reranking, those that lost anything at all.

    Args:
        comparison: What was compared.
        order: One of its orders.
        name: The measure; `None` takes the comparison's first.
        count: How many queries at most.
    """
    return _moved_most(comparison, order, name, count, sign=-1)


def best_queries(
    comparison: Comparison, order: Order, name: str | None = None, count: int = WORST
) -> list[QueryChange]:
    """Returns the queries that won most by reranking, those that won anything at all.

    Args:
        comparison: What was compared.
        order: One of its orders.
        name: The measure; `None` takes the comparison's first.
        count: How many queries at most.
    """
    return _moved_most(comparison, order, name, count, sign=1)


def _moved_most(
    comparison: Comparison, order: Order, name: str | None, count: int, *, sign: int
) -> list[QueryChange]:
    measure = name or comparison.measures[0]
    before, after = comparison.first_stage.values[measure], order.values[measure]
    moved = {query_id: sign * by for query_id, by in deltas(before, after).items()}
    most = sorted((query_id for query_id in moved if moved[query_id] > 0), key=lambda q: -moved[q])
    return [
        QueryChange(
            query_id,
            comparison.collection.queries[query_id],
            before[query_id],
            after[query_id],
            _first(comparison.collection, comparison.first_stage, query_id),
            _first(comparison.collection, order, query_id),
        )
        for query_id in most[:count]
    ]


def _first(collection: JudgedCollection, order: Order, query_id: str) -> JudgedPassage | None:
    scores = order.run[query_id]
    if not scores:
        return None
    best = max(scores, key=scores.__getitem__)  # the earliest of equal ones, as rerankers rank
    return JudgedPassage(best, collection.passages[best], collection.judgements[query_id].get(best))
