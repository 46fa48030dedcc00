"""What the dialects of rerank servers ask for: the route, the body, and what their scores are.

The answers need no dialect: `answers` reads them all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from rerank_plugins.remote.options import HttpDialect, HttpScale

Pairs: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A way of asking for scores.

    Attributes:
        route: The route on the server.
        scale: What the scores are, unless the user says otherwise.
        body: Makes the body of a request of pairs; the flag says whether logits are wanted.
        mixes_queries: Whether the pairs of a request may have different queries.
        takes_budget: Whether its servers are run by oneself and ignore keys that they do not know,
            so that a time budget can be sent to all of them; `rerank serve` keeps it.
    """

    route: str
    scale: HttpScale
    body: Callable[[Pairs, bool], dict[str, Any]]
    mixes_queries: bool = False
    takes_budget: bool = False

    def endpoint(self, url: str) -> str:
        """The URL of the route on a server whose URL may have the route already, or its start."""
        parts = self.route.split("/")[1:]
        if urlsplit(url).path.endswith(f"/{parts[-1]}"):
            return url
        known = next(
            (n for n in range(len(parts), 0, -1) if url.endswith("/" + "/".join(parts[:n]))), 0
        )
        return "/".join((url, *parts[known:]))


def _texts(pairs: Pairs, name: str) -> dict[str, Any]:
    return {"query": pairs[0][0], name: [text for _, text in pairs]}


def _tei(pairs: Pairs, logits: bool) -> dict[str, Any]:
    return {**_texts(pairs, "texts"), "raw_scores": logits, "truncate": True}


def _documents(pairs: Pairs, logits: bool) -> dict[str, Any]:
    return _texts(pairs, "documents")


def _without_documents_back(pairs: Pairs, logits: bool) -> dict[str, Any]:
    return {**_documents(pairs, logits), "return_documents": False}


_VLLM = {"truncate_prompt_tokens": -1}
"""Cuts what is longer than the model reads, as the other servers do; vLLM refuses it else."""


def _vllm(pairs: Pairs, logits: bool) -> dict[str, Any]:
    return {**_documents(pairs, logits), **_VLLM, "use_activation": not logits}


def _vllm_score(pairs: Pairs, logits: bool) -> dict[str, Any]:
    queries = [query for query, _ in pairs]
    texts = [text for _, text in pairs]
    return {"text_1": queries, "text_2": texts, **_VLLM, "use_activation": not logits}


def _voyage(pairs: Pairs, logits: bool) -> dict[str, Any]:
    return {**_documents(pairs, logits), "truncation": True}


DIALECTS: Mapping[HttpDialect, Dialect] = {
    "tei": Dialect(route="/rerank", scale="logit", body=_tei, takes_budget=True),
    "cohere": Dialect(route="/v2/rerank", scale="probability", body=_documents),
    "cohere-v1": Dialect(route="/v1/rerank", scale="probability", body=_without_documents_back),
    "jina": Dialect(route="/v1/rerank", scale="probability", body=_without_documents_back),
    "vllm": Dialect(route="/v1/rerank", scale="logit", body=_vllm, takes_budget=True),
    "vllm-score": Dialect(route="/v1/score", scale="logit", body=_vllm_score, mixes_queries=True),
    "llama.cpp": Dialect(route="/v1/reranking", scale="logit", body=_documents, takes_budget=True),
    "voyage": Dialect(route="/v1/rerank", scale="probability", body=_voyage),
}
