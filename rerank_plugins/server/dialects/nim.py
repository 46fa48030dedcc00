"""NVIDIA NIM: passages in, rankings by logit out."""

from typing import Any

from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect
from rerank_plugins.server.exchange import Answer, Ask
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.own import own_keys, spans_of


def read(fields: Fields) -> Ask:
    """Query and passages are objects with a `text`; `truncate` of `NONE` refuses long ones."""
    passages = [Fields(one) for one in fields.items("passages")]
    return Ask(
        model=fields.name(),
        queries=[fields.object("query").text("text")],
        texts=[passage.text("text") for passage in passages],
        may_cut=fields.choice("truncate", ("NONE", "END")) != "NONE",
        **own_keys(fields, raw_scores=True),
    )


def write(answer: Answer) -> dict[str, Any]:
    """Its answer."""
    return {
        "rankings": [
            {"index": hit.index, "logit": hit.score, **spans_of(answer, hit)} for hit in answer.hits
        ]
    }


NIM = Dialect(
    name="nim",
    read=read,
    write=write,
    example={
        "model": None,
        "query": {"text": QUERY},
        "passages": [{"text": document} for document in DOCUMENTS],
        "truncate": "END",
    },
    statuses={"invalid": 422, "too_many": 422, "too_long": 422},
)
