"""Keys of our own, which a request of any dialect may have beside those of the dialect."""

import math
import sys
from typing import Any

from rerank_plugins.server.exchange import Answer, Hit
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.reading import READING

CALL = ("score_threshold", "first_stage_weight", "time_budget")
"""Options of a call; the ranking checks them."""

OWN = ("scale", "relevant_spans", *CALL, *READING)

_LEAST = 0.1
"""The lowest score of a part that comes back, where a request does not say; raw ones have none."""

_ALL = sys.maxsize
"""How many parts of a document come back at most, where a request does not say."""


def own_keys(fields: Fields, *, raw_scores: bool = False) -> dict[str, Any]:
    """The arguments of an `Ask` that these keys make.

    Args:
        fields: The keys of the request.
        raw_scores: Whether scores are raw where the request has no `scale`.
    """
    scale = fields.choice("scale", ("probability", "logit", "calibrated"))
    options = {name: fields.raw(name) for name in CALL if fields.has(name)}
    options["scale"] = scale or ("logit" if raw_scores else "probability")
    reading: dict[str, Any] = {
        name: fields.count(name, least=0) for name in READING if name != "long_passages"
    }
    reading["long_passages"] = fields.choice("long_passages", ("truncate", "windows"))
    found: dict[str, Any] = {
        "options": options,
        "reading": {name: value for name, value in reading.items() if value is not None},
    }
    spans = fields.object("relevant_spans")
    if spans.choice("mode", ("enabled", "disabled")) == "enabled":
        options |= {"spans": True, "max_spans": spans.count("max_spans") or _ALL}
        least = -math.inf if options["scale"] == "logit" else _LEAST
        found["least_span"] = spans.number("threshold", least)
    return found


def spans_of(answer: Answer, hit: Hit) -> dict[str, Any]:
    """What a result has beside its score, if the request asks for the parts that answer."""
    least = answer.ask.least_span
    if least is None:
        return {}
    return {
        "relevant_spans": [
            {"start": span.start, "end": span.end, "score": span.score}
            for span in hit.spans
            if span.score >= least
        ]
    }
