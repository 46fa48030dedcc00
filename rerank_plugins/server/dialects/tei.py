"""text-embeddings-inference: `texts` in, a bare list of indices and scores out."""

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
    """Nothing is cut on the left here: who asks for that is refused where a text is too long."""
    texts = fields.texts("texts")
    return Ask(
        queries=[fields.text("query")],
        texts=texts,
        documents=texts if fields.flag("return_text") else (),
        may_cut=may_cut(fields),
        **own_keys(fields, raw_scores=fields.flag("raw_scores")),
    )


def may_cut(fields: Fields) -> bool:
    """Whether a text may be cut on its right, which is the only side here."""
    direction = fields.choice("truncation_direction", ("Right", "Left", "right", "left"))
    return fields.flag("truncate", default=True) and direction not in ("Left", "left")


TEI = Dialect(
    name="tei",
    read=read,
    write=places,
    example={"query": QUERY, "texts": DOCUMENTS},
    statuses=STATUSES,
)
