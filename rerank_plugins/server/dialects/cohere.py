"""Cohere v2: like the body of v1, without documents in the answer, and with the parts that answer.

vLLM answers the same route. A client of its that needs the documents sends `return_documents`.
"""

from dataclasses import replace
from typing import Any

from rerank_plugins.server.dialects import documents
from rerank_plugins.server.dialects.contract import Dialect
from rerank_plugins.server.exchange import Answer, Ask
from rerank_plugins.server.fields import Fields

_LEAST = 0.1
"""The lowest score of a part that comes back, where a request does not say."""


def read(fields: Fields) -> Ask:
    """`relevant_spans` asks for the parts of each document that answer."""
    ask = documents.read(fields, return_documents=False)
    spans = fields.object("relevant_spans")
    if spans.choice("mode", ("enabled", "disabled")) != "enabled":
        return ask
    wanted = {"spans": True, "max_spans": spans.count("max_spans") or 1}
    least = spans.number("threshold", _LEAST)
    return replace(ask, options={**ask.options, **wanted}, least_span=least)


def write(answer: Answer) -> dict[str, Any]:
    """The answer of v1, and the parts of each result if they were asked for."""
    body = documents.write(answer) | {"meta": documents.meta(answer, version="2")}
    if (least := answer.ask.least_span) is not None:
        for result, hit in zip(body["results"], answer.hits, strict=True):
            result["relevant_spans"] = [
                {"start": span.start, "end": span.end, "score": span.score}
                for span in hit.spans
                if span.score >= least
            ]
    return body


COHERE = Dialect(
    name="cohere-v2",
    read=read,
    write=write,
    example={**documents.COHERE_V1.example, "top_n": 2},
)
