"""The queries that reranking changed most, for worse and for better, with their top passages."""

from __future__ import annotations

from dataclasses import dataclass

from rerank_plugins.evaluation.collection import JudgedCollection
from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.measures import deltas

WORST = 10
"""The number of losing queries, and of winning queries, to list."""


@dataclass(frozen=True)
class JudgedPassage:
    """A candidate and its judged relevance to the query.

    Attributes:
        passage_id: Its id.
        text: Its text.
        relevance: As judged; `None` if nobody judged it.
        mark: First and last character of the sentence that answers best; `None` if not looked for.
    """

    passage_id: str
    text: str
    relevance: int | None
    mark: tuple[int, int] | None = None


@dataclass(frozen=True)
class QueryChange:
    """A query and its measure before and after reranking.

    Attributes:
        query_id: Its id.
        query: Its text.
        before: The measure in first-stage order.
        after: The measure after reranking.
        first_before: The first stage's top passage; `None` if it found nothing.
        first_after: The top passage after reranking.
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
    """Returns the queries that lost most from reranking, without any that lost nothing.

    Args:
        comparison: The comparison.
        order: One of its orders.
        name: The measure; `None` takes the comparison's first.
        count: The largest number of queries to return.
    """
    return _moved_most(comparison, order, name, count, sign=-1)


def best_queries(
    comparison: Comparison, order: Order, name: str | None = None, count: int = WORST
) -> list[QueryChange]:
    """Returns the queries that gained most from reranking, without any that gained nothing.

    Args:
        comparison: The comparison.
        order: One of its orders.
        name: The measure; `None` takes the comparison's first.
        count: The largest number of queries to return.
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
    best = max(scores, key=scores.__getitem__)  # the earliest of equal scores, as rerankers do
    return JudgedPassage(best, collection.passages[best], collection.judgements[query_id].get(best))
