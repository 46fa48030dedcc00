"""The application: the routes of all dialects, health, what is served, and the counts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import chain, repeat
from typing import Any

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from rerank_plugins import __version__
from rerank_plugins.server.bodies import Json
from rerank_plugins.server.dialects.contract import STATUS, plain_error
from rerank_plugins.server.dialects.predict import LABEL
from rerank_plugins.server.exchange import RefusedError
from rerank_plugins.server.logs import Entry, request_id
from rerank_plugins.server.openapi import body_of, docs_page
from rerank_plugins.server.playground import add_playground
from rerank_plugins.server.routes import ROUTES
from rerank_plugins.server.service import GONE, Service
from rerank_plugins.server.tokens import TokenGate

_log = logging.getLogger(__name__)

_PAUSES = (1, 2, 5, 10, 30, 60)
"""Seconds before models are loaded again, the last of them from then on."""

_HEALTH = ("/", "/health", "/ping", "/v1/health/ready")


def make_app(
    service: Service,
    *,
    tokens: Sequence[str] = (),
    cors_origin: str | None = None,
    lazy: bool = False,
) -> FastAPI:
    """The application of a service.

    Args:
        service: The service.
        tokens: The tokens of which a request needs one; without any, none is needed.
        cors_origin: The origins of other pages that may ask, with commas or spaces between them;
            `"*"` is all.
        lazy: Whether requests are taken before the models are loaded; they wait for them.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.ensure_future(_load(service) if lazy else service.start())
        if not lazy:
            await loading
        yield
        loading.cancel()

    app = FastAPI(
        title="rerank serve",
        version=__version__,
        lifespan=life,
        docs_url=None,  # FastAPI's own pages load scripts from another host
        redoc_url=None,
    )
    for route in ROUTES:
        app.add_api_route(
            route, _endpoint(service, route), methods=["POST"], openapi_extra=body_of(route)
        )

    async def health() -> Response:
        return Json({"status": service.phase}, 200 if service.phase == "ready" else 503)

    async def live() -> Response:
        return Json({"status": "live"})

    async def metrics() -> Response:
        return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)

    async def info() -> Response:
        return Json(await _info(service))

    async def docs(request: Request) -> Response:
        return HTMLResponse(docs_page(str(request.base_url).rstrip("/")))

    async def no_route(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = error.status_code
        where = f"{request.method} {request.url.path[:200]}"
        refused = RefusedError(f"There is no route {where}. /docs has the routes.", "invalid")
        facts = {"route": request.url.path[:200], "method": request.method, "refused": refused.kind}
        entry = Entry(request_id(request), facts)
        entry.write(status)
        headers = {**(error.headers or {}), "x-request-id": entry.id}
        return Json(plain_error(refused, status), status, headers)

    async def no_answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        status = STATUS[error.kind]
        return Json(plain_error(error, status), status)

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=GONE)

    app.add_exception_handler(HTTPException, no_route)
    app.add_exception_handler(RefusedError, no_answer)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_api_route("/docs", docs, methods=["GET"], include_in_schema=False)
    for route, answer in (*((route, health) for route in _HEALTH), ("/v1/health/live", live)):
        app.add_api_route(route, answer, methods=["GET"])
        # Many uptime checkers send HEAD; on its own, since two methods share no id in OpenAPI.
        app.add_api_route(route, answer, methods=["HEAD"], include_in_schema=False)
    for route, answer in (("/metrics", metrics), ("/info", info)):
        app.add_api_route(route, answer, methods=["GET"])
    add_playground(app)
    if tokens:
        app.add_middleware(TokenGate, tokens=tokens)
    if cors_origin:  # around the gate: a browser asks without a token whether it may
        app.add_middleware(
            CORSMiddleware,
            allow_origins=cors_origin.replace(",", " ").split(),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-request-id"],
            expose_headers=["x-request-id", "x-scored", "retry-after"],
        )
    return app


async def _load(service: Service) -> None:
    """Loads the models, again and again those that cannot be loaded: a hub may be out of reach."""
    for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
        try:
            await service.start()
        except Exception as error:
            _log.error("a model could not be loaded; next try in %d s: %s", pause, error)
            await asyncio.sleep(pause)
        else:
            return


def _endpoint(service: Service, route: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await service.respond(route, request)

    return answer


async def _info(service: Service) -> dict[str, Any]:
    """What text-embeddings-inference says of its model; `models` has the names of all."""
    name = next(iter(service.models.rerankers))
    return {
        "model_id": name,
        "model_sha": None,
        "served_model_name": name,
        "model_type": {"reranker": {"id2label": {"0": LABEL}, "label2id": {LABEL: 0}}},
        **await service.models.plan(name),
        "max_concurrent_requests": service.limits["max_requests"],
        "max_batch_requests": None,
        "max_client_batch_size": service.limits["max_documents"],
        "auto_truncate": True,
        "tokenization_workers": 1,
        "version": __version__,
        "sha": None,
        "docker_label": None,
        "models": list(service.models.rerankers),
    }
