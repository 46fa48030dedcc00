"""Lets in who has a token: `Authorization: Bearer TOKEN`, or the token alone."""

import hmac
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from rerank_plugins.server.bodies import Json
from rerank_plugins.server.dialects.contract import STATUS, plain_error
from rerank_plugins.server.exchange import RefusedError

OPEN = frozenset(
    (
        *(("GET", path) for path in ("/", "/health", "/ping", "/metrics")),
        *(("GET", f"/v1/health/{state}") for state in ("live", "ready")),
    )
)
"""What needs no token: what an orchestrator and a scraper ask for."""


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
        headers = {"www-authenticate": "Bearer"}
        await Json(plain_error(refused, status), status, headers)(scope, receive, send)

    def _let_in(self, scope: Scope) -> bool:
        if (scope["method"], scope["path"]) in OPEN:
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        kind, _, token = given.partition(b" ")
        given = token.strip() if kind.lower() == b"bearer" else given
        # All are compared, so that the time tells neither how much of a token was right nor which.
        return any([hmac.compare_digest(given, one) for one in self._tokens])
