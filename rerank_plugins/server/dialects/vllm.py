"""vLLM's scores: pairs of texts in, one score for each out, in the order of the request."""

import time
from typing import Any

from rerank_plugins.server.dialects.contract import DOCUMENTS, QUERY, Dialect, nested_error
from rerank_plugins.server.dialects.documents import cut_keys
from rerank_plugins.server.exchange import Answer, Ask, RefusedError
from rerank_plugins.server.fields import Fields

_NAMES = (("queries", "documents"), ("queries", "items"), ("data_1", "data_2"))
_OLDEST = ("text_1", "text_2")


def read(fields: Fields) -> Ask:
    """One query and any number of texts, or as many queries as texts."""
    left, right = next((pair for pair in _NAMES if all(map(fields.has, pair))), _OLDEST)
    queries, texts = _one_or_more(fields, left), _one_or_more(fields, right)
    if len(queries) not in (1, len(texts)):
        message = (
            f"`{left}` has {len(queries)} texts and `{right}` has {len(texts)}. Send one text in "
            f"`{left}`, or as many as in `{right}`."
        )
        raise RefusedError(message, "invalid")
    return Ask(
        model=fields.name(),
        queries=queries,
        texts=texts,
        wants="scores",
        **cut_keys(fields, raw_scores=not fields.flag("use_activation", default=True)),
    )


def _one_or_more(fields: Fields, name: str) -> list[str]:
    return fields.texts(name) if isinstance(fields.raw(name), list) else [fields.text(name)]


def write(answer: Answer) -> dict[str, Any]:
    """Its answer."""
    return {
        "id": answer.id,
        "object": "list",
        "created": int(time.time()),
        "model": answer.model,
        "data": [{"index": h.index, "object": "score", "score": h.score} for h in answer.hits],
        "usage": {"prompt_tokens": answer.tokens, "total_tokens": answer.tokens},
    }


SCORE = Dialect(
    name="vllm-score",
    read=read,
    write=write,
    example={"text_1": QUERY, "text_2": DOCUMENTS},
    error=nested_error,
)
