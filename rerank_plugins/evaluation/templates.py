"""The templates of the HTML pages."""

from __future__ import annotations

from typing import Any

from rerank_plugins.evaluation.measures import mean_name
from rerank_plugins.evaluation.verdict import share
from rerank_plugins.process.extras import require

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
    templates.filters.update(mean_name=mean_name, shortened=_shortened, share=share)
    return templates.get_template(name)


def _shortened(text: str) -> str:
    """A text's beginning, cut between words if possible."""
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    start = text[:_SHOWN_CHARACTERS]
    words = start.rpartition(" ")[0]
    return (words if len(words) > _SHOWN_CHARACTERS // 2 else start) + " …"
