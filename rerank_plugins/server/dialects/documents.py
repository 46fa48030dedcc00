"""The body that Cohere v1, Jina, vLLM and others have in common: `documents` in, `results` out.

One answer holds what all of these clients read. They differ in whether documents come back unasked
for, which nothing in a body tells: `rerank serve --dialect` does.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect, nested_error
from rerank_plugins.server.exchange import Answer, Ask, Hit, RefusedError
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.own import own_keys, spans_of


def read(fields: Fields, *, return_documents: bool) -> Ask:
    """A request of any of them; `top_n` of 0 is all of them, as in vLLM."""
    documents = fields.items("documents")
    raw = fields.flag("raw_scores") or not fields.flag("use_activation", default=True)
    return Ask(
        model=fields.name(),
        queries=[fields.text("query")],
        texts=texts_of(documents, "documents", fields),
        documents=documents if fields.flag("return_documents", default=return_documents) else (),
        top_n=fields.count("top_n", least=0) or None,
        **cut_keys(fields, raw_scores=raw),
    )


def cut_keys(fields: Fields, *, raw_scores: bool) -> dict[str, Any]:
    """`own_keys`, and what others call how much of a document is read.

    Cohere's `max_tokens_per_doc` counts the document alone, and vLLM has the same, where 0 is no
    limit. Its `truncate_prompt_tokens` counts query and document; -1, what the model reads, asks
    for nothing else than the server does anyway.
    The chunks of Cohere v1 are windows: the best one's score is the document's.
    """
    found = own_keys(fields, raw_scores=raw_scores)
    cut: dict[str, Any] = {}
    if chunks := fields.count("max_chunks_per_doc"):
        cut |= {"long_passages": "windows", "max_windows": chunks}
    tokens = fields.count("truncate_prompt_tokens", least=-1)
    if tokens is not None and tokens >= 0:
        cut |= {"long_passages": "truncate", "max_length": tokens}
    most = fields.count("max_tokens_per_doc", least=0) or None
    return {**found, "reading": {**cut, **found["reading"]}, "document_tokens": most}


def texts_of(documents: Sequence[Any], name: str, fields: Fields) -> list[str]:
    """The texts of documents that a request has under a name; its `rank_fields` choose."""
    chosen = fields.texts("rank_fields") if fields.has("rank_fields") else ()
    return [text_of(one, f"{name}[{at}]", chosen) for at, one in enumerate(documents)]


def text_of(document: Any, name: str, fields: Sequence[str] = ()) -> str:
    """The text of a document: a string, or an object with `text` or fields of other names."""
    if isinstance(document, str):
        return document
    if not isinstance(document, dict):
        message = f"`{name}` must be a string or an object, but got {type(document).__name__}."
        raise RefusedError(message, "invalid")
    wanted = fields or (["text"] if "text" in document else list(document))
    found: dict[str, str] = {field: document[field] for field in wanted if field in document}
    if not found or not all(isinstance(text, str) for text in found.values()):
        message = f'`{name}` must be a string, or an object of strings such as {{"text": "..."}}.'
        raise RefusedError(message, "invalid")
    if len(found) == 1:
        return next(iter(found.values()))
    return "\n".join(f"{field}: {text}" for field, text in found.items())


def write(answer: Answer) -> dict[str, Any]:
    """All that any of these clients reads."""
    return {
        "id": answer.id,
        "object": "list",
        "model": answer.model,
        "results": [_result(answer, hit) for hit in answer.hits],
        "usage": {"prompt_tokens": answer.tokens, "total_tokens": answer.tokens},
        "meta": meta(answer, version="1"),
    }


def meta(answer: Answer, *, version: str) -> dict[str, Any]:
    """What Cohere says beside the results; a search unit is a request."""
    found = {"api_version": {"version": version}, "billed_units": {"search_units": 1}}
    return {**found, "warnings": answer.warnings} if answer.warnings else found


def _result(answer: Answer, hit: Hit) -> dict[str, Any]:
    found = {"index": hit.index, "relevance_score": hit.score, **spans_of(answer, hit)}
    if not answer.ask.documents:
        return found
    document = answer.ask.documents[hit.index]
    return {**found, "document": {"text": document} if isinstance(document, str) else document}


JINA = Dialect(
    name="jina",
    read=partial(read, return_documents=True),
    write=write,
    example={"model": None, "query": QUERY, "documents": DOCUMENTS, "top_n": 1},
    statuses={"invalid": 422, "too_many": 422, "too_long": 422},
)
VLLM = replace(JINA, name="vllm", statuses={}, error=nested_error)
COHERE_V1 = replace(JINA, name="cohere", read=partial(read, return_documents=False), statuses={})
SHARED = replace(JINA, name="auto", statuses={})
"""What is taken where no one says whose the body is."""
