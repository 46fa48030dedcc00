"""The reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from rerank_plugins.evaluation.calibration.reliability import Bin
from rerank_plugins.evaluation.drawing import COLOURS, INK, PAPER, STYLE, WIDTH, svg_of

_TICKS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


def reliability_plot(before: Sequence[Bin], after: Sequence[Bin]) -> str:
    """Plots what was said against what happened, for the plain sigmoid and for the curve.

    Both axes are stretched by a square root, because most candidates have low probabilities.

    Args:
        before: The bins of the plain sigmoid.
        after: The bins of the curve.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, WIDTH + 0.4))
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1)
        for bins, name, colour, marker in (
            (before, "plain sigmoid", COLOURS[1], "s"),
            (after, "calibrated", COLOURS[0], "o"),
        ):
            axes.plot(
                [each.said for each in bins],
                [each.happened for each in bins],
                color=colour,
                marker=marker,
                markersize=6,
                markerfacecolor=PAPER if marker == "s" else colour,
                linewidth=1,
                label=name,
                clip_on=False,
            )
        for set_scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
            set_scale("function", functions=(_stretched, np.square))
            axis.set_major_locator(FixedLocator(_TICKS))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}"))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("said: probability, %")
        axes.set_ylabel("happened: relevant, %")
        axes.legend(loc="upper left", frameon=False)
        return svg_of(figure, "reliability", "said probability against relevant share")


def _stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The square root; the limits of an axis may lie a little below 0 for a moment."""
    roots: NDArray[np.float64] = np.sqrt(np.maximum(values, 0.0))
    return roots
