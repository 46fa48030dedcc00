"""One server: its models, limits, phase and counts, and how a request becomes a response."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal, TypeAlias, Unpack

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rerank_plugins.checks.declaration import checked
from rerank_plugins.reranker import Reranker
from rerank_plugins.server.bodies import Json, check_size, json_body
from rerank_plugins.server.dialects.contract import Dialect
from rerank_plugins.server.exchange import Answer, Ask, RefusedError, refused_after
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.logs import Entry, request_id
from rerank_plugins.server.metrics import Metrics
from rerank_plugins.server.models import RETRY_AFTER, Models
from rerank_plugins.server.options import LIMIT_OPTIONS, LimitOptions
from rerank_plugins.server.routes import CHOICES, dialect_of

Phase: TypeAlias = Literal["starting", "ready", "draining"]

GONE = 499
"""The status of a request whose client left; nobody reads it."""

_log = logging.getLogger(__name__)


class Service:
    """Answers requests of all dialects.

    Args:
        rerankers: The models by name. Scorers that fail when their queue is full, rather than wait,
            let the service answer 429.
        **options: The options of `LimitOptions`.

    Attributes:
        phase: `"starting"` until the models are loaded, and `"draining"` when the server stops.
    """

    def __init__(self, rerankers: Mapping[str, Reranker], **options: Unpack[LimitOptions]) -> None:
        self.limits = checked(options, LIMIT_OPTIONS, type(self).__name__)
        self.models = Models(rerankers, self.limits["request_timeout"])
        self.metrics = Metrics(self.models.rerankers)
        self.phase: Phase = "starting"
        self._preferred = CHOICES[self.limits["dialect"]]
        self._open = 0
        self._limits: set[asyncio.Timeout] = set()

    async def start(self) -> None:
        """Loads the models."""
        await self.models.awarm_up()
        if self.phase == "starting":
            self.phase = "ready"

    def give_up(self) -> None:
        """Refuses now what is still open."""
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())

    async def respond(self, route: str, request: Request) -> Response:
        """The response to a request on a route of a dialect."""
        entry = Entry(request_id(request), {"route": route})
        response = await self._response(route, request, entry)
        response.headers["x-request-id"] = entry.id
        entry.write(response.status_code)
        return response

    async def _response(self, route: str, request: Request, entry: Entry) -> Response:
        dialect = dialect_of(route, None, self._preferred)
        try:
            async with self._until_given_up():
                body = await json_body(request, self.limits["max_body_bytes"])
                dialect = dialect_of(route, body, self._preferred)
                entry.facts["dialect"] = dialect.name
                ask = dialect.read(Fields(body))
                entry.asks(ask, with_texts=self.limits["log_texts"])
                answer = await _unless_gone(request, self._answer(ask, entry.id))
                if answer is None:
                    raise ClientDisconnect
                entry.answers(answer)
                seconds = entry.seconds
                written = partial(_written, dialect, answer, seconds)
                # The tokens of long texts take seconds to write.
                response = await asyncio.to_thread(written) if ask.wants == "tokens" else written()
        except RefusedError as refused:
            return self._refusal(refused, dialect, entry)
        except ClientDisconnect:
            self.metrics.dropped()
            return Response(status_code=GONE)
        except Exception:  # whatever it is, the client gets its dialect's error
            _log.exception("request %s failed", entry.id)
            message = "The server failed at this request. Its log says why."
            return self._refusal(RefusedError(message, "failed"), dialect, entry)
        self.metrics.answered(answer, seconds)
        return response

    @asynccontextmanager
    async def _until_given_up(self) -> AsyncIterator[None]:
        limit = asyncio.timeout(None)
        self._limits.add(limit)
        message = "The server stopped before it had the answer. Send this to another one."
        try:
            async with refused_after(limit, message, "not_ready"):
                yield
        finally:
            self._limits.remove(limit)

    async def _answer(self, ask: Ask, request_id: str) -> Answer:
        check_size(
            ask,
            max_documents=self.limits["max_documents"],
            max_characters=self.limits["max_characters"],
        )
        if self.phase == "draining":
            message = "The server is stopping. Send this to another one."
            raise RefusedError(message, "not_ready")
        if self._open >= self.limits["max_requests"]:
            open_now = "1 request is" if self._open == 1 else f"{self._open} requests are"
            message = f"{open_now} open already. Try again in a second."
            raise RefusedError(message, "overloaded", retry_after=RETRY_AFTER)
        self._open += 1
        self.metrics.asked(ask)
        try:
            with self.metrics.open.track_inprogress():
                return await self.models.answer(ask, request_id)
        finally:
            self._open -= 1

    def _refusal(self, refused: RefusedError, dialect: Dialect, entry: Entry) -> Response:
        self.metrics.refused(refused.kind)
        entry.facts["refused"] = refused.kind
        again = refused.retry_after
        headers = None if again is None else {"retry-after": str(again)}
        status = dialect.status(refused)
        return Json(dialect.error(refused, status), status, headers)


def _written(dialect: Dialect, answer: Answer, seconds: float) -> Response:
    return Json(dialect.write(answer), headers=_facts(answer, seconds))


def _facts(answer: Answer, seconds: float) -> dict[str, str]:
    """Headers of text-embeddings-inference, as far as they are known, and what has no score."""
    total, work = len(answer.ask.texts), answer.work
    facts: dict[str, int | str | None] = {
        "x-compute-type": "gpu+optimized",  # what it says on every machine
        "x-compute-characters": answer.ask.read_characters,
        "x-compute-time": _ms(seconds),
        "x-total-time": _ms(seconds),
    }
    if work is not None:
        facts |= {
            "x-compute-tokens": work.tokens,
            "x-tokenization-time": _ms(work.tokenizing),
            "x-queue-time": _ms(work.waiting),
            "x-inference-time": _ms(work.scoring),
        }
    if answer.scored < total:
        facts["x-scored"] = f"{answer.scored}/{total}"
    return {name: str(value) for name, value in facts.items() if value is not None}


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer | None:
    """The result of some work, which is cancelled if the client leaves: then `None`."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
