"""text-embeddings-inference: `texts` in, a bare list of indices and scores out."""

from typing import Any

from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect, places
from rerank_plugins.server.exchange import Ask, Kind
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.own import own_keys

STATUSES: dict[Kind, int] = {
    "invalid": 422,
    "too_many": 422,
    "too_long": 422,
    "failed": 424,
    "too_late": 424,
}


def read(fields: Fields) -> Ask:
    """Its `truncate` and `truncation_direction` say whether and where a text may be cut."""
    texts = fields.texts("texts")
    return Ask(
        queries=[fields.text("query")],
        texts=texts,
        documents=texts if fields.flag("return_text") else (),
        **shared_keys(fields),
    )


def shared_keys(fields: Fields) -> dict[str, Any]:
    """The arguments of an `Ask` that `/rerank` and `/predict` have in common."""
    direction = fields.choice("truncation_direction", ("Right", "Left", "right", "left"))
    return {
        "model": fields.name(),
        "names_model": False,
        "may_cut": fields.flag("truncate", default=True),
        "from_left": direction in ("Left", "left"),
        **own_keys(fields, raw_scores=fields.flag("raw_scores")),
    }


TEI = Dialect(
    name="tei",
    read=read,
    write=places,
    example={"query": QUERY, "texts": DOCUMENTS},
    statuses=STATUSES,
)
