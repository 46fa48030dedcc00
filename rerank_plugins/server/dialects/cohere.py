"""Cohere v2: the body of v1, without documents in the answer.

vLLM answers the same route. A client of its that needs the documents sends `return_documents`.
"""

from functools import partial
from typing import Any

from rerank_plugins.server.dialects import documents
from rerank_plugins.server.dialects.contract import Dialect
from rerank_plugins.server.exchange import Answer


def write(answer: Answer) -> dict[str, Any]:
    """The answer of v1 under its own version."""
    return documents.write(answer) | {"meta": documents.meta(answer, version="2")}


COHERE = Dialect(
    name="cohere-v2",
    read=partial(documents.read, return_documents=False),
    write=write,
    example={**documents.COHERE_V1.example, "top_n": 2},
)
