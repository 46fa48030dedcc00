"""How deep to rerank: quality and time at several depths, and the first stage's recall there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from rerank_plugins.evaluation.comparison import Comparison, Order, ScoreFunction
from rerank_plugins.evaluation.first_stage import Candidates
from rerank_plugins.evaluation.measures import measure

DEPTHS = (10, 20, 30, 50, 100, 200)
TIMED_QUERIES = 20


@dataclass(frozen=True)
class DepthPoint:
    """What reranking the first ``depth`` candidates gives, the others left below as they were.

    Attributes:
        depth: Candidates of a query that are reranked.
        quality: Mean of the measure.
        recall: Share of what is relevant among these candidates: the ceiling of any reranker.
        seconds: Median time to score that many, measured; 0 at depth 0, the first stage alone.
    """

    depth: int
    quality: float
    recall: float
    seconds: float


def depth_curve(
    comparison: Comparison,
    order: Order,
    score: ScoreFunction,
    name: str = "nDCG@10",
    depths: Sequence[int] = DEPTHS,
) -> list[DepthPoint]:
    """Returns a point for depth 0 and for each depth up to the comparison's.

    Quality comes from the scores that are there; time is measured anew at each depth, over the
    first queries that have candidates.

    Args:
        comparison: What was compared.
        order: The scorer's order in it.
        score: The scorer, to time it.
        name: The measure.
        depths: Depths in rising order; those beyond the comparison's are left out.
    """
    points = [_point(comparison, order, score, name, 0)]
    return points + [
        _point(comparison, order, score, name, depth)
        for depth in depths
        if depth <= comparison.depth
    ]


def _point(
    comparison: Comparison, order: Order, score: ScoreFunction, name: str, depth: int
) -> DepthPoint:
    collection, found = comparison.collection, comparison.first_stage.run
    judgements = {query_id: collection.judgements[query_id] for query_id in collection.queries}
    values = measure(judgements, _reranked(found, order.run, depth), [name])[name]
    recall = 0.0
    if depth:
        recall = fmean(measure(judgements, found, [f"R@{depth}"])[f"R@{depth}"].values())
    seconds = _seconds(comparison, score, depth)
    return DepthPoint(depth, fmean(values.values()), recall, seconds)


def _reranked(found: Candidates, scores: Candidates, depth: int) -> Candidates:
    """The first ``depth`` by the scorer, the others in first-stage order below them."""
    run: Candidates = {}
    for query_id, candidates in found.items():
        ids = list(candidates)
        top = sorted(ids[:depth], key=lambda passage_id: -scores[query_id][passage_id])
        places = [*top, *ids[depth:]]
        run[query_id] = {passage_id: float(-place) for place, passage_id in enumerate(places)}
    return run


def _seconds(comparison: Comparison, score: ScoreFunction, depth: int) -> float:
    collection, found = comparison.collection, comparison.first_stage.run
    seconds = []
    for query_id in [query_id for query_id, ids in found.items() if ids][:TIMED_QUERIES]:
        passages = [collection.passages[passage_id] for passage_id in list(found[query_id])[:depth]]
        if passages:
            start = time.perf_counter()
            score(collection.queries[query_id], passages)
            seconds.append(time.perf_counter() - start)
    return median(seconds) if seconds else 0.0
