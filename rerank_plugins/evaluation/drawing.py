"""What all plots of the reports share: colours, style, and SVG elements that fit the page."""

from __future__ import annotations

import io
import re
from typing import Any

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#a6761d")
"""Okabe and Ito's palette, which colour-blind readers can tell apart, and two more; it repeats."""

INK = "#010203"
PAPER = "#fdfcfb"
"""Placeholders for the page's own colours."""

_POINTS_PER_PIXEL = 0.75
WIDTH = 3.4
"""Inches (326 pixels): narrow enough for a phone to show the text without shrinking it."""
STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
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


def svg_of(figure: Figure, name: str, label: str) -> str:
    """The figure as an element that scales, with the page's colours.

    Args:
        figure: The figure.
        name: A word that no other plot of the page uses, for ids.
        label: What a screen reader says.
    """
    content = io.StringIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    svg = content.getvalue()
    box = re.search(r'viewBox="(0 0 ([\d.]+) [\d.]+)"', svg)
    start = svg.index(">", svg.index("<svg")) + 1
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[start:], flags=re.DOTALL)
    body = body.replace(INK, "currentColor").replace(PAPER, "var(--paper)")
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(url\(|href=")#', rf"\1#{name}-", body)
    shape, width = (box[1], float(box[2]) / _POINTS_PER_PIXEL) if box else ("0 0 600 300", 600)
    return (
        f'<svg viewBox="{shape}" style="width: {width:.0f}px" role="img" aria-label="{label}" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )
