"""The clients that are held to the library's results, and what each is expected to do.

`docs/server.md` shows this table.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client, or a way of using one.

    Attributes:
        name: Its name on the page.
        package: The distribution that it comes with.
        environments: Where it is installed: files of requirements, or Node.
        driver: The module and the function that use it; in Node a function alone.
        base: What stands behind the server's address in its base URL.
        route: Which route it asks.
        has: What it can ask for: `model`, `top_n`, `return_documents`, `objects` as documents.
        unauthorized: The error that it raises for a wrong token.
        unknown: For a model that there is none of; empty if it sends no model.
        invalid: For too many documents.
        full: For a server that has no room for another request.
        tries: How often it asks a full server before it gives up.
        tells: Whether its errors have the server's message.
    """

    name: str
    package: str
    environments: tuple[str, ...]
    driver: str
    base: str = ""
    route: str
    has: frozenset[str] = frozenset(("model", "top_n"))
    unauthorized: str
    unknown: str
    invalid: str
    full: str
    tries: int = 1
    tells: bool = True


def _raises(unauthorized: str, *others: str) -> dict[str, str]:
    names = ("unauthorized", "unknown", "invalid", "full")
    given = (unauthorized, *others) if others else (unauthorized,) * 4
    return dict(zip(names, given, strict=True))


_COHERE_7, _COHERE_5 = ("cohere-7",), ("cohere-5",)
_MODEL, _TOP_N = frozenset(("model",)), frozenset(("top_n",))
_V1 = frozenset(("model", "top_n", "return_documents", "objects"))
_COHERE_ERRORS = {
    **_raises("UnauthorizedError", "NotFoundError", "BadRequestError", "TooManyRequestsError"),
    "tries": 3,
}
_VOYAGE_ERRORS = _raises("AuthenticationError", "APIError", "InvalidRequestError", "RateLimitError")

CLIENTS = (
    *(
        Client(
            name=f"`cohere.{name}`",
            package="cohere",
            environments=_COHERE_7 + _COHERE_5,
            driver=f"with_cohere.{function}",
            route=route,
            has=has,
            **_COHERE_ERRORS,
        )
        for name, function, route, has in (
            ("ClientV2", "client_v2", "/v2/rerank", _MODEL | _TOP_N),
            ("AsyncClientV2", "async_client_v2", "/v2/rerank", _MODEL | _TOP_N),
            ("Client", "client_v1", "/v1/rerank", _V1),
        )
    ),
    Client(
        name="`CohereRerank` of langchain-cohere",
        package="langchain-cohere",
        environments=_COHERE_5,
        driver="with_langchain.cohere_rerank",
        route="/v2/rerank",
        **_COHERE_ERRORS,
    ),
    Client(
        name="`CohereRerank` of LlamaIndex",
        package="llama-index-postprocessor-cohere-rerank",
        environments=_COHERE_5,
        driver="with_llama_index.cohere_rerank",
        route="/v2/rerank",
        **_COHERE_ERRORS,
    ),
    Client(
        name="`JinaRerank` of LlamaIndex",
        package="llama-index-postprocessor-jinaai-rerank",
        environments=_COHERE_5,
        driver="with_llama_index.jina_rerank",
        base="/v1",
        route="/v1/rerank",
        **_raises("RuntimeError"),
    ),
    Client(
        name="`TextEmbeddingInference` of LlamaIndex",
        package="llama-index-postprocessor-tei-rerank",
        environments=_COHERE_5,
        driver="with_llama_index.tei_rerank",
        route="/rerank",
        has=_TOP_N,
        **_raises("AssertionError", "", "AssertionError", "AssertionError"),
        tells=False,
    ),
    Client(
        name="`HuggingFaceTEIRanker` of Haystack",
        package="huggingface-api-haystack",
        environments=_COHERE_7,
        driver="with_haystack.tei_ranker",
        route="/rerank",
        has=_TOP_N,
        **_raises("RuntimeError", "", "RuntimeError", "RuntimeError"),
        tries=3,
    ),
    Client(
        name="`HttpReranker` of langchain-reranker",
        package="langchain-reranker",
        environments=_COHERE_5,
        driver="with_langchain.http_reranker",
        base="/v1",
        route="/v1/rerank",
        **_raises("HTTPStatusError"),
        tells=False,
    ),
    Client(
        name="`APIRanker` of rerankers, text-embeddings-inference",
        package="rerankers",
        environments=_COHERE_7,
        driver="with_rerankers.tei",
        base="/rerank",
        route="/rerank",
        has=frozenset(),
        **_raises("TypeError", "", "TypeError", "TypeError"),
        tells=False,
    ),
    *(
        Client(
            name=f"`APIRanker` of rerankers, {provider}",
            package="rerankers",
            environments=_COHERE_7,
            driver=f"with_rerankers.{provider}",
            base=route,
            route=route,
            has=_MODEL,
            **_raises("KeyError"),
            tells=False,
        )
        for provider, route in (
            ("cohere", "/v1/rerank"),
            ("jina", "/v1/rerank"),
            ("voyage", "/v1/rerank"),
            ("mixedbread", "/v1/reranking"),
        )
    ),
    *(
        Client(
            name=f"`voyageai.{name}`",
            package="voyageai",
            environments=_COHERE_7,
            driver=f"with_voyage.{function}",
            base="/v1",
            route="/v1/rerank",
            **_VOYAGE_ERRORS,
        )
        for name, function in (("Client", "client"), ("AsyncClient", "async_client"))
    ),
    Client(
        name="`rerank` of ai with @ai-sdk/cohere",
        package="@ai-sdk/cohere",
        environments=(NODE,),
        driver="aiSdk",
        base="/v2",
        route="/v2/rerank",
        **_raises("APICallError", "APICallError", "APICallError", "RetryError"),
        tries=3,
    ),
    Client(
        name="`CohereClientV2` of cohere-ai",
        package="cohere-ai",
        environments=(NODE,),
        driver="clientV2",
        route="/v2/rerank",
        **_COHERE_ERRORS,
    ),
    Client(
        name="`CohereClient` of cohere-ai",
        package="cohere-ai",
        environments=(NODE,),
        driver="clientV1",
        route="/v1/rerank",
        has=_V1,
        **_COHERE_ERRORS,
    ),
    Client(
        name="`CohereRerank` of @langchain/cohere",
        package="@langchain/cohere",
        environments=(NODE,),
        driver="langchain",
        route="/v1/rerank",
        **_COHERE_ERRORS,
    ),
)


@cache
def pins(environment: str) -> Mapping[str, str]:
    """The version of each client that an environment has."""
    if environment == NODE:
        package = json.loads((HERE / "package.json").read_text(encoding="utf-8"))
        return package["dependencies"]
    text = (HERE / f"{environment}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE))


def page_rows() -> list[str]:
    """The rows of the table on the page."""
    return [_row(client) for client in CLIENTS]


def _row(client: Client) -> str:
    versions = ", ".join(pins(one)[client.package] for one in client.environments)
    errors = (client.unauthorized, client.unknown, client.invalid, client.full)
    named = [f"`{name}`" if name else "-" for name in errors]
    raised = named[0] if len(set(named)) == 1 else ", ".join(named)
    url = f"`http://localhost:8080{client.base}`"
    return f"| {client.name} | {versions} | {url} | `{client.route}` | {raised} | {client.tries} |"
