"""The share of top-ranked passages that nobody has judged."""

from __future__ import annotations

from statistics import fmean

from rerank_plugins.evaluation.collection import JudgedCollection
from rerank_plugins.evaluation.comparison import Order

FIRST = 10
"""The number of top places to check."""


def not_judged(collection: JudgedCollection, order: Order) -> float:
    """Returns the share of top passages that nobody has judged, as a mean over the queries.

    Measures count such passages as not relevant. Queries without candidates are left out.
    """
    shares = []
    for query_id, scores in order.run.items():
        top = sorted(scores, key=lambda passage_id: -scores[passage_id])[:FIRST]
        if top:
            judged = collection.judgements[query_id]
            shares.append(sum(passage_id not in judged for passage_id in top) / len(top))
    return fmean(shares or [0.0])
