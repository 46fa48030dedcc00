"""The options of `HttpScorer`."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias, TypedDict, get_args
from urllib.parse import SplitResult, urlsplit

from rerank_plugins.checks.declaration import Option, declared
from rerank_plugins.checks.values import (
    check_choice,
    check_count,
    check_positive_int,
    check_seconds,
    check_text,
    optional,
)
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.values import described

HttpDialect: TypeAlias = Literal[
    "tei", "cohere", "cohere-v1", "jina", "vllm", "vllm-score", "llama.cpp", "voyage"
]
HttpScale: TypeAlias = Literal["logit", "probability"]


def check_url(url: Any, name: str) -> str:
    """The URL without a slash at its end, if it has a host, and nothing that may be a secret.

    Raises:
        InvalidInputError: It is no URL of HTTP, or has a password, a query or a fragment.
    """
    parts = _parts(url)
    if parts is not None and "@" in parts.netloc:
        message = (
            f"{name} must not have a user name or a password in it, because messages show it. "
            "Name the environment variable that holds the key: api_key_variable='NAME'."
        )
        raise InvalidInputError(message)
    if parts is None or parts.query or parts.fragment:
        message = (
            f"{name} must be the address of a server, without ? and #, but got {described(url)}. "
            "For example: 'http://localhost:8080'."
        )
        raise InvalidInputError(message)
    return str(url).rstrip("/")


def _parts(url: Any) -> SplitResult | None:
    """The parts of a URL of HTTP; `None` if it is something else."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of a port, or of brackets
        return None
    return parts if known else None


def _check_key(key: Any, name: str) -> str | Callable[[], str | None] | None:
    """The key, if it is a string or a function that gives one; it is not shown."""
    if key is None or isinstance(key, str) or callable(key):
        given: str | Callable[[], str | None] | None = key
        return given
    message = (
        f"{name} must be a string or a function that gives one, but got {type(key).__name__}. To "
        "name an environment variable, give api_key_variable."
    )
    raise InvalidInputError(message)


class UrlOption(TypedDict, total=False):
    """The option that is also taken by position."""

    url: Annotated[
        str,
        Option(
            None,
            check_url,
            "Where the server is; the route of the dialect is added where it is missing.",
        ),
    ]


class HttpOptions(TypedDict, total=False):
    """The options of an `HttpScorer` beside `url`."""

    dialect: Annotated[
        HttpDialect,
        Option(
            "tei",
            partial(check_choice, allowed=get_args(HttpDialect)),
            "How the server is asked: text-embeddings-inference, Cohere (v2 or v1), Jina, vLLM "
            "(its rerank or its score route), llama.cpp or Voyage.",
        ),
    ]
    model: Annotated[
        str | None,
        Option(None, optional(check_text), "Name of the model on the server.", "the only one"),
    ]
    api_key: Annotated[
        str | Callable[[], str | None] | None,
        Option(
            None,
            _check_key,
            "Key of the server, or a function that returns it for each call; it is left out of "
            "pickles.",
            "no key, or the one of `api_key_variable`",
        ),
    ]
    api_key_variable: Annotated[
        str | None,
        Option(
            None,
            optional(check_text),
            "Name of the environment variable that holds the key; it is read for each call.",
            "no key",
        ),
    ]
    scale: Annotated[
        HttpScale | None,
        Option(
            None,
            optional(partial(check_choice, allowed=get_args(HttpScale))),
            "What the server's scores are. Where the dialect has a key for it, they are asked for "
            "like that.",
            "logits where the dialect has them, else probabilities",
        ),
    ]
    batch_size: Annotated[
        int,
        Option(
            32,
            check_positive_int,
            "Most passages of a request; 32 is what text-embeddings-inference takes by default.",
        ),
    ]
    concurrency: Annotated[
        int, Option(8, check_positive_int, "Most requests that are open at the same time.")
    ]
    timeout: Annotated[
        float | None,
        Option(
            60.0,
            check_seconds,
            "Seconds after which a call fails with `ScoringTimeoutError`, all of its requests "
            "together. `None` is no limit.",
        ),
    ]
    retries: Annotated[
        int,
        Option(
            3,
            check_count,
            "How often a request is sent again that was refused with status 429 or 503.",
        ),
    ]


HTTP_OPTIONS = declared(UrlOption, HttpOptions)
