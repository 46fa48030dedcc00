"""Voyage: `top_k` and `truncation` in, the results in `data`."""

from typing import Any

from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect
from rerank_plugins.server.exchange import Answer, Ask
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.own import own_keys, spans_of


def read(fields: Fields) -> Ask:
    """A request of its client."""
    documents = fields.texts("documents")
    return Ask(
        model=fields.name(),
        queries=[fields.text("query")],
        texts=documents,
        documents=documents if fields.flag("return_documents") else (),
        top_n=fields.count("top_k"),
        may_cut=fields.flag("truncation", default=True),
        **own_keys(fields),
    )


def write(answer: Answer) -> dict[str, Any]:
    """A document is a string here."""
    documents = answer.ask.documents
    return {
        "object": "list",
        "data": [
            {"index": hit.index, "relevance_score": hit.score}
            | ({"document": documents[hit.index]} if documents else {})
            | spans_of(answer, hit)
            for hit in answer.hits
        ],
        "model": answer.model,
        "usage": {"total_tokens": answer.tokens},
    }


VOYAGE = Dialect(
    name="voyage",
    read=read,
    write=write,
    example={"model": None, "query": QUERY, "documents": DOCUMENTS, "top_k": 1},
)
