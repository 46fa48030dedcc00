"""What came out, for documents and for programs: Markdown, JSON, and the queries that lost most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.curve import DepthPoint
from rerank_plugins.evaluation.measures import change


@dataclass(frozen=True)
class QueryChange:
    """A query with a measure of it before and after reranking."""

    query_id: str
    query: str
    before: float
    after: float


def worst_queries(
    comparison: Comparison, order: Order, name: str, count: int = 10
) -> list[QueryChange]:
    """Returns the queries that lost most by reranking, those that lost anything at all."""
    before, after = comparison.first_stage.values[name], order.values[name]
    lost = sorted(
        (query_id for query_id in before if after[query_id] < before[query_id]),
        key=lambda query_id: after[query_id] - before[query_id],
    )
    queries = comparison.collection.queries
    return [
        QueryChange(query_id, queries[query_id], before[query_id], after[query_id])
        for query_id in lost[:count]
    ]


def as_table(comparisons: Sequence[Comparison], name: str = "nDCG@10") -> str:
    """Returns a Markdown table of a measure times 100: a row a collection, a column an order."""
    columns = [comparisons[0].first_stage.name, *(o.name for o in comparisons[0].reranked)]
    rows = [[100 * order.mean(name) for order in (c.first_stage, *c.reranked)] for c in comparisons]
    lines = [
        f"| set | queries | {' | '.join(columns)} |",
        "|---|---:|" + "---:|" * len(columns),
    ]
    for comparison, row in zip(comparisons, rows, strict=True):
        collection = comparison.collection
        cells = " | ".join(f"{value:.1f}" for value in row)
        lines.append(f"| {collection.name} | {len(collection.queries)} | {cells} |")
    if len(rows) > 1:
        means = " | ".join(f"{fmean(column):.1f}" for column in zip(*rows, strict=True))
        lines.append(f"| **mean** | | {means} |")
    return "\n".join(lines)


def as_json(
    comparison: Comparison, curves: Mapping[str, Sequence[DepthPoint]] | None = None
) -> dict[str, Any]:
    """Returns plain values: means, values by query, changes with their p, and latencies.

    Args:
        comparison: What was compared.
        curves: A scorer's name to its points over depth.
    """
    first_stage = comparison.first_stage
    return {
        "collection": comparison.collection.name,
        "queries": len(comparison.collection.queries),
        "depth": comparison.depth,
        "first_stage": _order(first_stage),
        "reranked": [
            {
                **_order(order),
                "change": {
                    name: asdict(change(first_stage.values[name], order.values[name]))
                    for name in order.values
                },
                "latency_seconds": asdict(order.latency()),
                "curve": [asdict(point) for point in (curves or {}).get(order.name, [])],
            }
            for order in comparison.reranked
        ],
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "name": order.name,
        "means": {name: order.mean(name) for name in order.values},
        "by_query": {name: dict(values) for name, values in order.values.items()},
    }
