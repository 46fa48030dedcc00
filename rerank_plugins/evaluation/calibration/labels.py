"""The scores of judged candidates, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.checks.values import as_number
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.fusion import fused_order
from rerank_plugins.messages.spelling import option


@dataclass(frozen=True)
class Labels:
    """n candidates of several queries, with their scores and judgements.

    Attributes:
        scores: What orders the candidates, float64, shape `(n,)`.
        relevant: Whether each is judged relevant, shape `(n,)`.
        judged: Whether anybody judged it, shape `(n,)`. What nobody judged counts as not relevant.
        query: The number of its query, from 0, shape `(n,)`.
        asked: The number of queries; some may have no candidates.
        passages: The collection, the query id and the passage id of each candidate.
    """

    scores: NDArray[np.float64]
    relevant: NDArray[np.bool_]
    judged: NDArray[np.bool_]
    query: NDArray[np.intp]
    asked: int
    passages: Sequence[tuple[int, str, str]]

    @property
    def unjudged_share(self) -> float:
        """The share of those that count as not relevant which nobody judged."""
        others = ~self.relevant
        return float((~self.judged[others]).mean()) if others.any() else 0.0

    def best(self, which: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The highest score of each query among some of its candidates; -inf where it has none."""
        highest = np.full(self.asked, -np.inf)
        np.maximum.at(highest, self.query[which], self.scores[which])
        return highest

    def only(self, which: NDArray[np.bool_]) -> Labels:
        """These candidates alone; the queries stay as they are."""
        kept = [self.passages[place] for place in np.flatnonzero(which).tolist()]
        return Labels(
            self.scores[which],
            self.relevant[which],
            self.judged[which],
            self.query[which],
            self.asked,
            kept,
        )


def labels_of(
    comparisons: Sequence[Comparison],
    name: str,
    *,
    weight: float = 0.0,
    judged_only: bool = False,
) -> Labels:
    """Returns the candidates of all collections with the scores of one reranker.

    Args:
        comparisons: One per collection; all have this reranker.
        name: The reranker's name; its scores are logits.
        weight: Logits that the first stage's opinion adds to its first candidate.
        judged_only: Whether candidates that nobody judged are left out.

    Raises:
        InvalidInputError: There is no such reranker, the weight is out of range, or without those
            that nobody judged, none is judged not relevant.
    """
    if not 0.0 <= as_number(weight) < np.inf:
        message = f"weight must be a number >= 0, but got {weight!r}. 0 leaves the first stage out."
        raise InvalidInputError(message)
    rows: list[tuple[float, int | None]] = []
    query, passages = [], []
    asked = 0
    for number, comparison in enumerate(comparisons):
        order = _with_bonus(comparison, name, weight)
        for query_id, scores in order.run.items():
            judgements = comparison.collection.judgements[query_id]
            rows += [(score, judgements.get(passage_id)) for passage_id, score in scores.items()]
            query += [asked] * len(scores)
            passages += [(number, query_id, passage_id) for passage_id in scores]
            asked += 1
    found = Labels(
        np.array([score for score, _ in rows], dtype=np.float64),
        np.array([(relevance or 0) > 0 for _, relevance in rows], dtype=np.bool_),
        np.array([relevance is not None for _, relevance in rows], dtype=np.bool_),
        np.array(query, dtype=np.intp),
        asked,
        passages,
    )
    return _judged(found) if judged_only else found


def _with_bonus(comparison: Comparison, name: str, weight: float) -> Order:
    order = comparison.order(name)
    return fused_order(comparison, order, weight, name) if weight else order


def _judged(labels: Labels) -> Labels:
    judged = labels.only(labels.judged)
    if judged.relevant.all():
        message = (
            f"{option('judged_only')} leaves out what nobody judged, and every candidate that is "
            "judged is relevant: there is nothing to tell relevant passages from. Leave "
            f"{option('judged_only')} out, so that candidates without a judgement count as not "
            "relevant, or judge some of them (0 in the qrels)."
        )
        raise InvalidInputError(message)
    return judged
