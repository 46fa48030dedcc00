"""The report's plots, as SVG elements with the page's font and colours."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rerank_plugins.evaluation.cascades import CascadePoint, PlainPoint
from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.curve import DepthPoint
from rerank_plugins.evaluation.measures import deltas, mean_name
from rerank_plugins.evaluation.pareto import Tradeoff

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#a6761d")
"""Okabe and Ito's palette, which colour-blind readers can tell apart, and two more; it repeats."""

_INK = "#010203"
_PAPER = "#fdfcfb"
"""Placeholders for the page's own colours."""

_BETTER, _WORSE = COLOURS[0], COLOURS[1]
_MOST_BARS = 400
_POINTS_PER_PIXEL = 0.75
_WIDTH = 3.4
"""Inches (326 pixels): narrow enough for a phone to show the text without shrinking it."""
_LEAST_SPAN = 10.0
"""The least range of a quality axis, in points, so that tiny differences do not look large."""
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _INK,
    "grid.alpha": 0.15,
    "figure.constrained_layout.use": True,
}


def colour(number: int) -> str:
    """The colour of a scorer by its number, which starts at 0."""
    return COLOURS[number % len(COLOURS)]


def colour_on(number: int) -> str:
    """Black or white, whichever is easier to read on that scorer's colour.

    The contrast ratio is that of WCAG 2.1: the ratio of the relative luminances, each plus 0.05.
    """
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in to_rgb(colour(number))
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#ffffff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#000000"


def tradeoff_plot(points: Sequence[Tradeoff], first_stage: float, measure: str) -> str:
    """Plots quality against latency: numbered dots for scorers, Pareto front, first stage.

    Args:
        points: The scorers, numbered from 1 in this order.
        first_stage: The first stage's quality, from 0 to 1.
        measure: The measure of quality.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 3))
        axes = figure.subplots()
        axes.axhline(100 * first_stage, color=_INK, linestyle=":", linewidth=1)
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
            color=_INK,
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
                markerfacecolor=colour(number) if point.on_front else _PAPER,
                markeredgewidth=1.5,
                clip_on=False,
            )
            axes.annotate(
                str(number + 1),
                place,
                ha="center",
                va="center_baseline",
                color=colour_on(number) if point.on_front else _INK,
            )
        axes.set_xlim(0, 1.15 * max(1000 * point.seconds for point in points) or 1)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        _show_at_least(axes, [100 * first_stage, *(100 * point.quality for point in points)])
        axes.set_xlabel("median time per query, ms")
        axes.set_ylabel(f"{mean_name(measure)} x 100")
        return _svg(figure, "tradeoff", "quality against latency")


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
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 2.6))
        axes = figure.subplots()
        for number, line in enumerate(lines):
            depths, values = zip(*line, strict=True)
            axes.plot(depths, values, color=_INK if ink else colour(number), marker=".")
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
        return _svg(figure, name, "over the number of candidates reranked")


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
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 3))
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
        return _svg(figure, "times", "quality against time: depths and cascades")


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
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 2.2))
        axes = figure.subplots()
        share = np.linspace(0, 100, len(changes) + 1)
        for part, fill in ((changes > 0, _BETTER), (changes < 0, _WORSE)):
            axes.stairs(np.where(part, 100 * changes, 0), share, fill=True, color=fill)
        axes.axhline(0, color=_INK, linewidth=0.8)
        limit = max(5.0, 105 * float(np.abs(changes).max(initial=0)))
        axes.set_ylim(-limit, limit)
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of queries")
        axes.set_ylabel(f"change of\n{measure} x 100")
        return _svg(figure, name, "change of each query, sorted")


def _show_at_least(axes: Axes, values: Sequence[float]) -> None:
    """Sets limits around the values, wide enough that small differences look small."""
    middle = (max(values) + min(values)) / 2
    half = max(0.7 * (max(values) - min(values)), _LEAST_SPAN / 2)
    axes.set_ylim(max(0.0, middle - half), middle + half)


def _svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an element that scales, with unique ids and the page's colours."""
    content = io.StringIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    svg = content.getvalue()
    box = re.search(r'viewBox="(0 0 ([\d.]+) [\d.]+)"', svg)
    start = svg.index(">", svg.index("<svg")) + 1
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[start:], flags=re.DOTALL)
    body = body.replace(_INK, "currentColor").replace(_PAPER, "var(--paper)")
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(url\(|href=")#', rf"\1#{name}-", body)
    shape, width = (box[1], float(box[2]) / _POINTS_PER_PIXEL) if box else ("0 0 600 300", 600)
    return (
        f'<svg viewBox="{shape}" style="width: {width:.0f}px" role="img" aria-label="{label}" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )
