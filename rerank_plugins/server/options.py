"""The options of a server, declared once: the command takes them as flags, variables and keys."""

from functools import partial
from typing import Annotated, Literal, TypeAlias, TypedDict, get_args

from rerank_plugins.checks.declaration import Option, declared
from rerank_plugins.checks.values import (
    check_choice,
    check_count,
    check_flag,
    check_positive_int,
    check_seconds,
    check_text,
    optional,
)

LogFormat: TypeAlias = Literal["text", "json"]
DialectName: TypeAlias = Literal["auto", "cohere", "jina", "vllm", "voyage", "llama.cpp"]


class LimitOptions(TypedDict, total=False):
    """The options that every request is held to."""

    dialect: Annotated[
        DialectName,
        Option(
            "auto",
            partial(check_choice, allowed=get_args(DialectName)),
            "Whose a body with `documents` is, where its route and keys do not tell.",
        ),
    ]
    max_documents: Annotated[int, Option(1_000, check_positive_int, "Most documents of a request.")]
    max_characters: Annotated[
        int, Option(4_000_000, check_positive_int, "Most characters of a request's texts together.")
    ]
    max_body_bytes: Annotated[int, Option(16_000_000, check_positive_int, "Most bytes of a body.")]
    max_requests: Annotated[
        int, Option(512, check_positive_int, "Most requests that are open at the same time.")
    ]
    request_timeout: Annotated[
        float | None,
        Option(
            None, check_seconds, "Seconds after which a request fails with status 504.", "no limit"
        ),
    ]

    log_texts: Annotated[
        bool, Option(False, check_flag, "Log the texts of requests, which are in no log otherwise.")
    ]


class AppOptions(LimitOptions, total=False):
    """The options of the application, whatever runs it."""

    token_file: Annotated[
        str | None,
        Option(
            None,
            optional(check_text),
            "File of the tokens that clients may send, one in each line.",
            "the variable RERANK_TOKEN, or without it no token is needed",
        ),
    ]
    cors_origin: Annotated[
        str | None,
        Option(
            None,
            optional(check_text),
            "Origins of pages that browsers may let ask this server, with commas between them; "
            '`"*"` is every page.',
            "none",
        ),
    ]


class ServerOptions(AppOptions, total=False):
    """The options of a server."""

    host: Annotated[
        str,
        Option(
            "127.0.0.1",
            check_text,
            "Address to listen on; 0.0.0.0 is every network of this machine.",
        ),
    ]
    port: Annotated[int, Option(8080, check_count, "Port to listen on; 0 takes a free one.")]
    log_format: Annotated[
        LogFormat,
        Option(
            "text",
            partial(check_choice, allowed=get_args(LogFormat)),
            "Form of the log's lines, one for each request.",
        ),
    ]
    drain_seconds: Annotated[
        int,
        Option(
            30, check_positive_int, "Seconds to finish open requests in when the server is stopped."
        ),
    ]
    lazy: Annotated[bool, Option(False, check_flag, "Open the port before the models are loaded.")]


LIMIT_OPTIONS = declared(LimitOptions)
SERVER_OPTIONS = declared(ServerOptions)
