"""text-embeddings-inference: `texts` in, a bare list of indices and scores out."""

from typing import Any

from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect
from rerank_plugins.server.exchange import Answer, Ask, Kind
from rerank_plugins.server.fields import Fields

STATUSES: dict[Kind, int] = {
    "invalid": 422,
    "too_many": 422,
    "too_long": 422,
    "failed": 424,
    "too_late": 424,
}


def read(fields: Fields) -> Ask:
    """Nothing is cut on the left here: who asks for that is refused where a text is too long."""
    direction = fields.choice("truncation_direction", ("Right", "Left", "right", "left"))
    from_the_left = direction in ("Left", "left")
    texts = fields.texts("texts")
    return Ask(
        queries=[fields.text("query")],
        texts=texts,
        documents=texts if fields.flag("return_text") else (),
        may_cut=fields.flag("truncate", default=True) and not from_the_left,
        options=fields.options(raw_scores=fields.flag("raw_scores")),
    )


def write(answer: Answer) -> list[dict[str, Any]]:
    """The text stands beside the score only if it was asked for."""
    documents = answer.ask.documents
    return [
        {"index": hit.index, "score": hit.score}
        | ({"text": documents[hit.index]} if documents else {})
        for hit in answer.hits
    ]


TEI = Dialect(
    name="tei",
    read=read,
    write=write,
    example={"query": QUERY, "texts": DOCUMENTS},
    statuses=STATUSES,
)
