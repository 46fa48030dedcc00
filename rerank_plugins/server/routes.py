"""Which dialect a request speaks: by its route, and where several share one by its keys."""

from collections.abc import Mapping
from typing import Any

from rerank_plugins.server.dialects.cohere import COHERE
from rerank_plugins.server.dialects.contract import Dialect
from rerank_plugins.server.dialects.documents import COHERE_V1, JINA, SHARED, VLLM
from rerank_plugins.server.dialects.hugging_face import HUGGING_FACE
from rerank_plugins.server.dialects.llama_cpp import LLAMA_CPP
from rerank_plugins.server.dialects.mixedbread import MIXEDBREAD
from rerank_plugins.server.dialects.nim import NIM
from rerank_plugins.server.dialects.predict import PREDICT
from rerank_plugins.server.dialects.tei import TEI
from rerank_plugins.server.dialects.tokenize import TOKENIZE
from rerank_plugins.server.dialects.vllm import SCORE
from rerank_plugins.server.dialects.voyage import VOYAGE

CHOICES: Mapping[str, Dialect] = {
    one.name: one for one in (SHARED, COHERE_V1, JINA, VLLM, VOYAGE, LLAMA_CPP)
}
"""What a body with `documents` may be taken for."""

_BY_KEY: Mapping[str, Dialect] = {
    "inputs": HUGGING_FACE,
    "texts": TEI,
    "input": MIXEDBREAD,
    "top_k": VOYAGE,
    "truncation": VOYAGE,
    "documents": SHARED,
}
"""The dialect of a body, by the first of these keys that it has."""

_ANY = tuple(_BY_KEY)
_RERANK = ("texts", "top_k", "truncation", "documents")

ROUTES: Mapping[str, tuple[tuple[str, ...], Dialect]] = {
    "/": (_ANY, TEI),
    "/invocations": (_ANY, TEI),
    "/predict": ((), PREDICT),
    "/tokenize": ((), TOKENIZE),
    "/rerank": (_RERANK, TEI),
    "/v1/rerank": (_RERANK, SHARED),
    "/v2/rerank": ((), COHERE),
    "/reranking": (("texts",), LLAMA_CPP),
    "/v1/reranking": (("texts", "input"), LLAMA_CPP),
    "/v1/ranking": ((), NIM),
    "/score": ((), SCORE),
    "/v1/score": ((), SCORE),
}
"""Each route with the keys that tell its dialects apart, and the dialect of bodies without them."""


def dialect_of(route: str, body: Any, preferred: Dialect = SHARED) -> Dialect:
    """The dialect of a body on a route; one that several share is the preferred one."""
    keys, otherwise = ROUTES[route]
    known = body if isinstance(body, dict) else {}
    found = next((_BY_KEY[key] for key in keys if key in known), otherwise)
    return preferred if found is SHARED else found


def examples_of(route: str) -> dict[str, Mapping[str, Any]]:
    """A body for each dialect of a route, by the dialect's name."""
    keys, otherwise = ROUTES[route]
    return {one.name: one.example for one in (*(_BY_KEY[key] for key in keys), otherwise)}
