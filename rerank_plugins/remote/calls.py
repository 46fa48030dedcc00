"""One call of the scorer: its requests, sent side by side within its time, and their scores."""

import asyncio
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rerank_plugins.errors import ScoringTimeoutError
from rerank_plugins.remote.answers import as_logits, scores_of
from rerank_plugins.remote.batches import batches
from rerank_plugins.remote.connection import Connection
from rerank_plugins.remote.dialects import Dialect
from rerank_plugins.remote.options import HttpScale
from rerank_plugins.remote.refusals import pause_before_retry, refusal
from rerank_plugins.results import PairScores

_FOR_THE_SERVER = 0.7
"""The share of what is left of a time budget that the server is given. It may go over it by the
batch under way, which takes up to a third of it, and the answer has to travel back."""

_PART = "x-scored"
"""The header by which `rerank serve` says that a time budget left passages without a score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How a server is asked.

    Attributes:
        url: Where requests go.
        dialect: How they are written.
        model: The name of the model, if one is sent.
        scale: What the scores are.
        batch_size: The most pairs of a request.
        concurrency: The most requests that are open at the same time.
        retries: How often a refused request is sent again.
        key: Gives the key, if there is one.
    """

    url: str
    dialect: Dialect
    model: str | None
    scale: HttpScale
    batch_size: int
    concurrency: int
    retries: int
    key: Callable[[], str | None] = field(repr=False)


class Call:
    """The pairs of one call, and what becomes of them.

    Args:
        server: The server.
        connection: The connections to it.
        pairs: The pairs.
        fails_at: When the call fails, on the clock of `time.monotonic`.
        deadline: When its time budget ends; `None` if it has none.
    """

    def __init__(
        self,
        server: Server,
        connection: Connection,
        pairs: Sequence[tuple[str, str]],
        fails_at: float,
        deadline: float | None,
    ) -> None:
        self._server = server
        self._connection = connection
        self._pairs = pairs
        self._deadline = deadline
        ends_first = deadline is not None and deadline <= fails_at
        self._fails_at = math.inf if ends_first else fails_at
        self._logits = np.full(len(pairs), np.nan)
        self._key: str | None = None

    def start(self) -> "Future[PairScores] | None":
        """Begins the call; `None` if the connection is closed."""
        return self._connection.start(self._scores)

    async def _scores(self) -> PairScores:
        """The scores of all pairs, or of those that a time budget allows.

        Raises:
            ScoringTimeoutError: The time is over, and it is no time budget.
            ServerError: The server cannot be reached, refuses, or does not give the scores.
            QueueFullError: The server has too much to do, however often it was asked.
            MissingExtraError: httpx is not installed.
            InvalidInputError: There is no key where one is named.
        """
        end = self._fails_at if self._fails_at < math.inf else self._deadline
        limit = asyncio.timeout(None if end is None else end - time.monotonic())
        try:
            async with limit:
                self._key = await asyncio.to_thread(self._server.key)  # it may be asked for
                await self._ask_all()
        except TimeoutError:
            if not limit.expired():
                raise  # of the function that gives the key
            if self._fails_at < math.inf:
                raise self._too_late() from None
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # the others were ended because of it
        missing = np.isnan(self._logits)
        return PairScores(self._logits, scored=~missing if missing.any() else None)

    async def _ask_all(self) -> None:
        server = self._server
        size, mixes = server.batch_size, server.dialect.mixes_queries
        waiting = batches(self._pairs, size, mixes_queries=mixes)
        ahead = iter(waiting)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(server.concurrency, len(waiting))):
                group.create_task(self._ask_each(ahead))

    async def _ask_each(self, ahead: Iterator[list[int]]) -> None:
        """Asks for one part after another, until those beside it have taken the rest."""
        for places in ahead:
            self._logits[places] = await self._ask([self._pairs[at] for at in places])

    async def _ask(self, pairs: Sequence[tuple[str, str]]) -> Any:
        """The logits of the pairs of one request."""
        server, url = self._server, self._server.url
        for attempt in range(server.retries + 1):
            async with self._connection.slots:
                body = self._body(pairs)
                status, headers, answer = await self._connection.post(url, body, self._headers())
            if 200 <= status < 300:
                in_part = self._deadline is not None and _PART in headers
                scores = scores_of(answer, len(pairs), url, in_part=in_part, key=self._key)
                return as_logits(scores, server.scale, url)
            pause = pause_before_retry(status, headers, attempt, server.retries)
            if pause is None or time.monotonic() + pause >= self._fails_at:
                break
            await asyncio.sleep(pause)
        raise refusal(url, status, headers, answer, self._key)

    def _body(self, pairs: Sequence[tuple[str, str]]) -> bytes:
        server = self._server
        body = server.dialect.body(pairs, server.scale == "logit")
        if server.model is not None:
            body["model"] = server.model
        if self._deadline is not None and server.dialect.takes_budget:
            body["time_budget"] = max(_FOR_THE_SERVER * (self._deadline - time.monotonic()), 0.001)
        # UTF-8 has no half surrogate pairs; they become question marks.
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")

    def _headers(self) -> dict[str, bytes]:
        found = {"content-type": b"application/json"}
        if self._key is not None:
            found["authorization"] = b"Bearer " + self._key.encode()
        return found

    def _too_late(self) -> ScoringTimeoutError:
        missing = int(np.isnan(self._logits).sum())
        message = (
            f"{self._server.url} did not score {missing} of {len(self._pairs)} pairs in time. Send "
            "fewer pairs, or raise timeout=."
        )
        return ScoringTimeoutError(message)
