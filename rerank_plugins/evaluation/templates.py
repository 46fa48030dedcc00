"""The templates of the HTML pages."""

from __future__ import annotations

from typing import Any

from rerank_plugins.evaluation.lost import JudgedPassage
from rerank_plugins.evaluation.measures import mean_name
from rerank_plugins.evaluation.verdict import share
from rerank_plugins.process.extras import require
from rerank_plugins.results import ELLIPSIS

_SHOWN_CHARACTERS = 400
"""Characters of a text that are shown: enough to see why it was put first."""


def template(name: str) -> Any:
    """The template of a page.

    Raises:
        MissingExtraError: Jinja or matplotlib, which draws the plots, is not installed.
    """
    jinja2 = require("jinja2", extra="eval", purpose="The HTML report")
    require("matplotlib", extra="eval", purpose="The HTML report")
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("rerank_plugins.evaluation", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(mean_name=mean_name, shortened=_shortened, parts=_parts, share=share)
    return templates.get_template(name)


def _parts(passage: JudgedPassage) -> tuple[str, str, str]:
    """What is shown of a passage: before its marked sentence, that sentence, and behind it."""
    start, end = passage.mark or (0, 0)
    # A mark that is far from the beginning takes its place.
    first = 0 if end <= _SHOWN_CHARACTERS else start
    before = passage.text[first:start] if first == 0 else ELLIPSIS.lstrip()
    rest = max(0, _SHOWN_CHARACTERS - (end - first))
    return before, passage.text[start:end], _shortened(passage.text[end:], rest)


def _shortened(text: str, most: int = _SHOWN_CHARACTERS) -> str:
    """A text's beginning, cut between words if possible."""
    if len(text) <= most:
        return text
    start = text[:most]
    words = start.rpartition(" ")[0]
    return (words if len(words) > most // 2 else start) + ELLIPSIS.rstrip()
