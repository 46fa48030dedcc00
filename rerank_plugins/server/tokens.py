"""Lets in who has a token: `Authorization: Bearer TOKEN`, the token alone, or as a password."""

import base64
import hmac
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rerank_plugins.server.bodies import Json
from rerank_plugins.server.dialects.contract import STATUS, plain_error
from rerank_plugins.server.exchange import RefusedError
from rerank_plugins.server.logs import Entry, request_id

OPEN = frozenset(
    (method, path)
    for method in ("GET", "HEAD")
    for path in ("/", "/health", "/ping", "/v1/health/live", "/v1/health/ready", "/metrics")
)
"""What needs no token: what an orchestrator and a scraper ask for."""

_ASK_A_PERSON = 'Basic realm="The password is the token", charset="UTF-8"'
"""What a browser is answered, which then asks for a name and a password."""


class TokenGate:
    """An ASGI application behind a token.

    Args:
        app: The application.
        tokens: The tokens that are let in.
    """

    def __init__(self, app: ASGIApp, tokens: Sequence[str]) -> None:
        self._app = app
        self._tokens = [token.encode() for token in tokens]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers 401."""
        if scope["type"] != "http" or self._let_in(scope):
            await self._app(scope, receive, send)
            return
        message = "The token is missing or wrong. Send it in the header Authorization."
        refused = RefusedError(message, "unauthorized")
        status = STATUS["unauthorized"]
        entry = Entry(request_id(Request(scope)), {"route": scope["path"], "refused": refused.kind})
        headers = {
            "www-authenticate": _ASK_A_PERSON if scope["method"] == "GET" else "Bearer",
            "x-request-id": entry.id,
        }
        await Json(plain_error(refused, status), status, headers)(scope, receive, send)
        entry.write(status)

    def _let_in(self, scope: Scope) -> bool:
        if (scope["method"], scope["path"]) in OPEN:
            return True
        given = _given(scope["method"], dict(scope["headers"]))
        # All are compared, so that the time tells neither how much of a token was right nor which.
        return any([hmac.compare_digest(given, one) for one in self._tokens])


def _given(method: str, headers: Mapping[bytes, bytes]) -> bytes:
    """The token that a request carries.

    A browser sends a password with every request to this server, also with those that pages of
    others make it send. Without this server's leave, which is not given, such a page can send no
    JSON that is declared as JSON, so a password counts for that alone, and for reading.
    """
    given = headers.get(b"authorization", b"")
    kind, _, token = given.partition(b" ")
    match kind.lower():
        case b"bearer":
            return token.strip()
        case b"basic" if method == "GET" or _is_json(headers.get(b"content-type", b"")):
            return _password(token)
    return given


def _is_json(content_type: bytes) -> bool:
    """Whether a body is declared as JSON, with or without parameters such as a character set."""
    return content_type.partition(b";")[0].strip().lower() == b"application/json"


def _password(credentials: bytes) -> bytes:
    try:
        return base64.b64decode(credentials).partition(b":")[2]
    except ValueError:
        return b""
