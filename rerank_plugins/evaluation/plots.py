"""The report's plots, as SVG elements with the page's font and colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rerank_plugins.evaluation.cascades import CascadePoint, PlainPoint
from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.curve import DepthPoint
from rerank_plugins.evaluation.drawing import (
    COLOURS,
    INK,
    PAPER,
    STYLE,
    WIDTH,
    colour,
    colour_on,
    svg_of,
)
from rerank_plugins.evaluation.measures import deltas, mean_name
from rerank_plugins.evaluation.pareto import Tradeoff

_BETTER, _WORSE = COLOURS[0], COLOURS[1]
_MOST_BARS = 400
_LEAST_SPAN = 10.0
"""The least range of a quality axis, in points, so that tiny differences do not look large."""


def tradeoff_plot(points: Sequence[Tradeoff], first_stage: float, measure: str) -> str:
    """Plots quality against latency: numbered dots for scorers, Pareto front, first stage.

    Args:
        points: The scorers, numbered from 1 in this order.
        first_stage: The first stage's quality, from 0 to 1.
        measure: The measure of quality.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3))
        axes = figure.subplots()
        axes.axhline(100 * first_stage, color=INK, linestyle=":", linewidth=1)
        axes.annotate(
            "first stage alone",
            (1, 100 * first_stage),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
        )
        front = sorted((p for p in points if p.on_front), key=lambda p: p.seconds)
        axes.step(
            [1000 * p.seconds for p in front],
            [100 * p.quality for p in front],
            where="post",
            color=INK,
            alpha=0.5,
            linewidth=1,
        )
        for number, point in enumerate(points):
            place = (1000 * point.seconds, 100 * point.quality)
            axes.plot(
                *place,
                marker="o",
                markersize=15,
                color=colour(number),
                markerfacecolor=colour(number) if point.on_front else PAPER,
                markeredgewidth=1.5,
                clip_on=False,
            )
            axes.annotate(
                str(number + 1),
                place,
                ha="center",
                va="center_baseline",
                color=colour_on(number) if point.on_front else INK,
            )
        axes.set_xlim(0, 1.15 * max(1000 * point.seconds for point in points) or 1)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        _show_at_least(axes, [100 * first_stage, *(100 * point.quality for point in points)])
        axes.set_xlabel("median time per query, ms")
        axes.set_ylabel(f"{mean_name(measure)} x 100")
        return svg_of(figure, "tradeoff", "quality against latency")


def curve_plots(
    curves: Mapping[str, Sequence[DepthPoint]], measure: str, name: str
) -> dict[str, str]:
    """Plots quality, time and recall over depth, by title; depth 0 is the first stage alone.

    Args:
        curves: Scorer name to its points.
        measure: The measure of quality.
        name: A word that no other plot of the page uses.
    """
    first = next(iter(curves.values()))[1:]
    qualities = [[(p.depth, 100 * p.quality) for p in points] for points in curves.values()]
    times = [[(p.depth, 1000 * p.seconds) for p in points] for points in curves.values()]
    recall = [[(p.depth, 100 * p.recall) for p in first]]
    drawn = {
        f"{mean_name(measure)} x 100": _curve(qualities, f"{name}-quality", None),
        "median time per query, ms": _curve(times, f"{name}-time", (0, None)),
        "recall ceiling, %": _curve(recall, f"{name}-recall", (0, 105), ink=True),
    }
    return drawn


def _curve(
    lines: Sequence[Sequence[tuple[int, float]]],
    name: str,
    limits: tuple[float, float | None] | None,
    *,
    ink: bool = False,
) -> str:
    """Plots values over depth, one line per scorer; without limits the axis fits the values."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.6))
        axes = figure.subplots()
        for number, line in enumerate(lines):
            depths, values = zip(*line, strict=True)
            axes.plot(depths, values, color=INK if ink else colour(number), marker=".")
            if len(lines) > 1:  # some readers cannot tell colours apart
                end = (depths[-1], values[-1])
                axes.annotate(str(number + 1), end, (4, 0), textcoords="offset points")
        axes.set_xlabel("candidates reranked")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
        if limits is None:
            _show_at_least(axes, [value for line in lines for _, value in line])
        else:
            axes.set_ylim(*limits)
        return svg_of(figure, name, "over the number of candidates reranked")


def time_plot(
    plain: Mapping[str, Sequence[PlainPoint]],
    cascades: Sequence[CascadePoint],
    numbers: Mapping[str, int],
    measure: str,
) -> str:
    """Plots quality against time: a line per single model over its depths, a dot per cascade.

    Args:
        plain: Scorer name to its points; each point has its depth beside it.
        cascades: The cascades.
        numbers: The number of each of them by name, from 0.
        measure: The measure of quality.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3))
        axes = figure.subplots()
        for name, points in plain.items():
            places = [(1000 * point.seconds, 100 * point.quality) for point in points]
            axes.plot(*zip(*places, strict=True), color=colour(numbers[name]), marker=".")
            for point, place in zip(points[1:], places[1:], strict=True):
                axes.annotate(
                    str(point.depth), place, (0, 4), textcoords="offset points", fontsize=9
                )
        for each in cascades:
            number = numbers[each.name]
            place = (1000 * each.seconds, 100 * each.quality)
            axes.plot(*place, marker="o", markersize=15, color=colour(number), clip_on=False)
            axes.annotate(
                str(number + 1), place, ha="center", va="center_baseline", color=colour_on(number)
            )
        levels = [point.quality for points in plain.values() for point in points]
        _show_at_least(axes, [100 * level for level in (*levels, *(c.quality for c in cascades))])
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("median time per query, ms")
        axes.set_ylabel(f"{mean_name(measure)} x 100")
        return svg_of(figure, "times", "quality against time: depths and cascades")


def change_plot(comparison: Comparison, order: Order, name: str) -> str:
    """Plots the change of each query, sorted: blue if reranking helped, orange if it hurt.

    Args:
        comparison: The comparison.
        order: One of its orders.
        name: A word that no other plot of the page uses.
    """
    measure = comparison.measures[0]
    before = comparison.first_stage.values[measure]
    changes = np.sort(list(deltas(before, order.values[measure]).values()))[::-1]
    if len(changes) > _MOST_BARS:  # quantiles keep the shape and the page small
        changes = np.quantile(changes, np.linspace(1, 0, _MOST_BARS))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.2))
        axes = figure.subplots()
        share = np.linspace(0, 100, len(changes) + 1)
        for part, fill in ((changes > 0, _BETTER), (changes < 0, _WORSE)):
            axes.stairs(np.where(part, 100 * changes, 0), share, fill=True, color=fill)
        axes.axhline(0, color=INK, linewidth=0.8)
        limit = max(5.0, 105 * float(np.abs(changes).max(initial=0)))
        axes.set_ylim(-limit, limit)
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of queries")
        axes.set_ylabel(f"change of\n{measure} x 100")
        return svg_of(figure, name, "change of each query, sorted")


def _show_at_least(axes: Axes, values: Sequence[float]) -> None:
    """Sets limits around the values, wide enough that small differences look small."""
    middle = (max(values) + min(values)) / 2
    half = max(0.7 * (max(values) - min(values)), _LEAST_SPAN / 2)
    axes.set_ylim(max(0.0, middle - half), middle + half)
