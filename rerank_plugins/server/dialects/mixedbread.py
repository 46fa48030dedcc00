"""Mixedbread: documents in `input`, the results in `data`."""

from typing import Any

from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect
from rerank_plugins.server.dialects.documents import texts_of
from rerank_plugins.server.exchange import Answer, Ask
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.own import own_keys, spans_of


def read(fields: Fields) -> Ask:
    """A request of its clients."""
    documents = fields.items("input")
    return Ask(
        model=fields.name(),
        queries=[fields.text("query")],
        texts=texts_of(documents, "input", fields),
        documents=documents if fields.flag("return_input") else (),
        top_n=fields.count("top_k"),
        **own_keys(fields),
    )


def write(answer: Answer) -> dict[str, Any]:
    """A document comes back as it was."""
    documents = answer.ask.documents
    return {
        "usage": {"prompt_tokens": answer.tokens, "total_tokens": answer.tokens},
        "model": answer.model,
        "data": [
            {"index": hit.index, "score": hit.score}
            | ({"input": documents[hit.index]} if documents else {})
            | {"object": "rank_result", **spans_of(answer, hit)}
            for hit in answer.hits
        ],
        "object": "list",
        "top_k": answer.ask.top_n or len(answer.ask.texts),
        "return_input": bool(documents),
    }


MIXEDBREAD = Dialect(
    name="mixedbread",
    read=read,
    write=write,
    example={"model": None, "query": QUERY, "input": DOCUMENTS, "top_k": 1},
)
