"""Which scorers are worth their time: quality against latency over all collections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from rerank_plugins.evaluation.comparison import Comparison


@dataclass(frozen=True)
class Tradeoff:
    """A scorer's quality and cost.

    Attributes:
        name: The scorer's name.
        quality: The first measure, mean over the collections.
        seconds: The median time to score a query's candidates, over the queries of all collections.
        on_front: Whether no other scorer is at least as good and as fast, and better in one of the
            two, and the first stage alone, which takes no time, is not as good.
    """

    name: str
    quality: float
    seconds: float
    on_front: bool


def tradeoffs(comparisons: Sequence[Comparison]) -> list[Tradeoff]:
    """Returns one trade-off per scorer, in order; all comparisons have the same scorers."""
    points = []
    for each in zip(*(comparison.reranked for comparison in comparisons), strict=True):
        seconds = [
            order.seconds[query_id]
            for order in each
            for query_id, passages in order.run.items()
            if passages
        ]
        quality = fmean(o.mean(c.measures[0]) for o, c in zip(each, comparisons, strict=True))
        points.append((each[0].name, quality, median(seconds or [0.0])))
    level = fmean(c.first_stage.mean(c.measures[0]) for c in comparisons)
    rivals = [*points, ("first stage", level, 0.0)]
    return [
        Tradeoff(name, quality, seconds, not _is_beaten(quality, seconds, rivals))
        for name, quality, seconds in points
    ]


def _is_beaten(quality: float, seconds: float, points: Sequence[tuple[str, float, float]]) -> bool:
    return any(
        other >= quality and time <= seconds and (other > quality or time < seconds)
        for _, other, time in points
    )
