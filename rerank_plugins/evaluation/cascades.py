"""Cascades against the simpler way to save time: fewer candidates for a single model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from rerank_plugins.evaluation.comparison import Comparison
from rerank_plugins.evaluation.curve import DepthPoint

Curves = Sequence[Mapping[str, Sequence[DepthPoint]]]
"""For each collection the depth curve of each scorer."""


@dataclass(frozen=True)
class PlainPoint:
    """A single model and what it costs, on the mean of the collections.

    Attributes:
        name: The model's name.
        depth: The number of candidates per query that it reads.
        quality: The mean of the first measure.
        seconds: The median time per query, and of several collections the mean of that.
    """

    name: str
    depth: int
    quality: float
    seconds: float


@dataclass(frozen=True)
class CascadePoint:
    """A reranker of several stages, beside a single model that is given the same time.

    Attributes:
        name: The reranker's name.
        read: The mean number of passages per query that each stage read.
        quality: The mean of the first measure.
        seconds: The median time per query.
        rival: The single model that is best with as many candidates as it can read in that time;
            `None` without depth curves.
    """

    name: str
    read: tuple[float, ...]
    quality: float
    seconds: float
    rival: PlainPoint | None = None


def plain_depths(curves: Curves) -> dict[str, list[PlainPoint]]:
    """Returns the depth curve of each single model, as a mean over the collections.

    Depths that some collection lacks are left out.
    """
    names = [name for name, points in (curves[0].items() if curves else ()) if len(points) > 1]
    found = {}
    for name in names:
        by_depth: dict[int, list[DepthPoint]] = {}
        for curve in curves:
            for point in curve[name]:
                by_depth.setdefault(point.depth, []).append(point)
        found[name] = [
            PlainPoint(
                name,
                depth,
                fmean(point.quality for point in points),
                fmean(point.seconds for point in points),
            )
            for depth, points in sorted(by_depth.items())
            if len(points) == len(curves)
        ]
    return found


def cascade_points(comparisons: Sequence[Comparison], curves: Curves) -> list[CascadePoint]:
    """Returns a point per reranker of several stages, in their order.

    Args:
        comparisons: One per collection, all with the same scorers.
        curves: For each of them the depth curves; empty if they were not measured.
    """
    plain = plain_depths(curves)
    found = []
    for orders in zip(*(comparison.reranked for comparison in comparisons), strict=True):
        reads = [order.pairs_per_stage for order in orders]
        if max(map(len, reads)) < 2:
            continue
        name = orders[0].name
        measure = comparisons[0].measures[0]
        point = CascadePoint(
            name,
            tuple(fmean(stage) for stage in zip(*filter(None, reads), strict=True)),
            fmean(order.mean(measure) for order in orders),
            fmean(
                curves[at][name][-1].seconds if curves else order.latency().p50
                for at, order in enumerate(orders)
            ),
        )
        rivals = [_in_time(curve, point.seconds) for curve in plain.values()]
        best = max(rivals, key=lambda rival: rival.quality, default=None)
        found.append(replace(point, rival=best))
    return found


def _in_time(curve: Sequence[PlainPoint], seconds: float) -> PlainPoint:
    """What a single model reaches in a time, on the line between the depths around it."""
    for before, after in pairwise(curve):
        if after.seconds > seconds:
            part = (seconds - before.seconds) / (after.seconds - before.seconds)
            return PlainPoint(
                before.name,
                round(before.depth + part * (after.depth - before.depth)),
                before.quality + part * (after.quality - before.quality),
                seconds,
            )
    return curve[-1]
