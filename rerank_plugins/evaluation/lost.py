"""The queries that reranking made worse, and what it put first in them."""

from __future__ import annotations

from dataclasses import dataclass

from rerank_plugins.evaluation.collection import JudgedCollection
from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.measures import deltas

WORST = 10


@dataclass(frozen=True)
class JudgedPassage:
    """A candidate, and what the judges say of it for the query.

    Attributes:
        passage_id: Its id.
        text: Its text.
        relevance: As judged; ``None`` if nobody judged it.
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
        first_before: What the first stage had put first; ``None`` where it found nothing.
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
        name: The measure; ``None`` takes the comparison's first.
        count: How many queries at most.
    """
    measure = name or comparison.measures[0]
    before, after = comparison.first_stage.values[measure], order.values[measure]
    change = deltas(before, after)
    lost = sorted((query_id for query_id in change if change[query_id] < 0), key=change.__getitem__)
    return [
        QueryChange(
            query_id,
            comparison.collection.queries[query_id],
            before[query_id],
            after[query_id],
            _first(comparison.collection, comparison.first_stage, query_id),
            _first(comparison.collection, order, query_id),
        )
        for query_id in lost[:count]
    ]


def _first(collection: JudgedCollection, order: Order, query_id: str) -> JudgedPassage | None:
    scores = order.run[query_id]
    if not scores:
        return None
    best = max(scores, key=scores.__getitem__)  # the earliest of equal ones, as rerankers rank
    return JudgedPassage(best, collection.passages[best], collection.judgements[query_id].get(best))
