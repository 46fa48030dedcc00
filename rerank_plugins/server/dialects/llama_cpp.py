"""llama.cpp: Jina's shape, without documents, with the model's raw outputs as scores."""

from dataclasses import replace
from typing import Any

from rerank_plugins.server.dialects import documents
from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect, nested_error
from rerank_plugins.server.exchange import Answer, Ask
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.own import own_keys


def read(fields: Fields) -> Ask:
    """A request of its clients."""
    ask = documents.read(fields, return_documents=False)
    return replace(ask, documents=(), **own_keys(fields, raw_scores=True))


def write(answer: Answer) -> dict[str, Any]:
    """Its answer has no id and no documents."""
    whole = documents.write(answer)
    return {name: whole[name] for name in ("model", "object", "usage", "results")}


LLAMA_CPP = Dialect(
    name="llama.cpp",
    read=read,
    write=write,
    example={"query": QUERY, "documents": DOCUMENTS, "top_n": 1},
    error=nested_error,
)
