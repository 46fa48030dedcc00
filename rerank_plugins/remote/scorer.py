"""The scorer that asks a rerank server."""

import json
import math
import os
import time
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Self, Unpack

from rerank_plugins.checks.declaration import changed, checked, spelled_out
from rerank_plugins.checks.values import check_seconds
from rerank_plugins.errors import InvalidInputError, ScorerClosedError
from rerank_plugins.remote.calls import Call, Server
from rerank_plugins.remote.connection import Connection, require_client
from rerank_plugins.remote.dialects import DIALECTS
from rerank_plugins.remote.keys import key_of
from rerank_plugins.remote.options import HTTP_OPTIONS, HttpOptions, HttpScale
from rerank_plugins.results import PairScores
from rerank_plugins.scoring.contract import Scorer
from rerank_plugins.scoring.copying import MadeOfOptions
from rerank_plugins.scoring.identity import Identity


class HttpScorer(MadeOfOptions, Scorer):
    """Scores pairs with a rerank server: `rerank serve`, or any other that speaks a dialect.

    Nothing is connected before the first use. Requests are sent from a thread of the scorer's own,
    so any number of threads and event loops may call it; they share its connections. A call that
    is cancelled ends its requests. Redirects are not followed.

    Scorers give logits. Where a server has probabilities only, these are their log odds, and
    `Reranker` makes the same probabilities of them again.

    Args:
        url: Where the server is: `"http://localhost:8080"`. The route of the dialect is added where
            it is missing.
        **options: The options of `HttpOptions`. docs/http-scorer.md has a table of them.

    Raises:
        InvalidInputError: An option is not allowed.
    """

    @spelled_out
    def __init__(self, url: str, **options: Unpack[HttpOptions]) -> None:
        self._set_options({"url": url, **options})

    _secret = "api_key"
    _own = frozenset({"_server", "_connections", "_release"})

    def _set_options(self, options: Mapping[str, Any]) -> None:
        given = checked(options, HTTP_OPTIONS, type(self).__name__)
        if given["api_key"] is not None and given["api_key_variable"] is not None:
            message = "api_key= and api_key_variable= exclude each other. Give one of them."
            raise InvalidInputError(message)
        self._options = given
        dialect = DIALECTS[given["dialect"]]
        self._server = Server(
            url=dialect.endpoint(given["url"]),
            dialect=dialect,
            scale=given["scale"] or dialect.scale,
            key=partial(key_of, given["api_key"], given["api_key_variable"]),
            **{name: given[name] for name in ("model", "batch_size", "concurrency", "retries")},
        )
        self.name = given["model"] or given["url"]
        self._connections: dict[int, Connection] = {}  # by process: a fork takes no thread along
        self._release = weakref.finalize(self, _close, self._connections, wait=False)
        self._release.atexit = False  # at exit the thread ends by itself

    @property
    def scale(self) -> HttpScale:
        """What the server's scores are."""
        return self._server.scale

    @property
    def identity(self) -> Identity:
        """The server's address, the model's name and what is asked for.

        It cannot tell whether the server has another model since. Name another `model`, or empty
        the score cache, if it has.
        """
        model = json.dumps([self._server.url, self._server.model])
        return Identity(model, reading=(self._options["dialect"], self.scale))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Makes a scorer of plain values: of `url` and other options by name.

        Raises:
            InvalidInputError: An option is not allowed, or there is none of that name. A key is not
                allowed, because plain values are written down.
        """
        allowed = [name for name in HTTP_OPTIONS if name != "api_key"]
        if unknown := [name for name in data if name not in allowed]:
            message = (
                f"A server's options cannot have {', '.join(map(repr, unknown))}. They are "
                f"{', '.join(allowed)}."
            )
            raise InvalidInputError(message)
        return cls(**{"url": None, **data})

    def to_dict(self) -> dict[str, Any]:
        """The options that are set, as plain values for `from_dict`.

        Raises:
            InvalidInputError: The scorer has a key and not the name of a variable.
        """
        if self._options["api_key"] is not None:
            message = (
                "An HttpScorer with api_key= cannot be serialised. Name the environment variable "
                "that holds the key instead: api_key_variable='NAME'."
            )
            raise InvalidInputError(message)
        return changed(self._options, HTTP_OPTIONS)

    def submit(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> "Future[PairScores]":
        """Sends the pairs to the server, in as many requests as `batch_size` makes of them.

        Args:
            pairs: n checked (query, passage) pairs.
            timeout: Seconds, for this call; `None` uses the scorer's own.
            deadline: When a time budget ends, on the clock of `time.monotonic`. The future is done
                then, and `PairScores.scored` says what has a score. Servers that may be `rerank
                serve` are told how much time there is.

        Returns:
            A future; cancelling it ends its requests.

        Raises:
            ScorerClosedError: The scorer is closed.
        """
        seconds = self._options["timeout"] if timeout is None else check_seconds(timeout, "timeout")
        fails_at = math.inf if seconds is None else time.monotonic() + seconds
        call = Call(self._server, self._connection(), pairs, fails_at, deadline)
        future = call.start() if self._release.alive else None
        if future is None:
            message = f"The scorer for {self.name!r} is closed. Create a new HttpScorer."
            raise ScorerClosedError(message)
        return future

    _keeps_deadlines = True

    def _begin(
        self,
        pairs: Sequence[tuple[str, str]],
        timeout: float | None,
        *,
        wait: bool,
        deadline: float | None = None,
    ) -> "Future[PairScores]":
        return self.submit(pairs, timeout=timeout, deadline=deadline)

    def _wait_at_most(self, timeout: float | None) -> float | None:
        return None  # the call keeps the time, and can say what is left

    def warm_up(self) -> None:
        """Checks that the key is there and that requests can be sent; asks the server nothing.

        Raises:
            MissingExtraError: httpx is not installed.
            InvalidInputError: The variable of the key is not set.
        """
        self._server.key()
        require_client()

    def close(self) -> None:
        """Finishes what was asked for, and closes the connections."""
        if self._release.detach():
            _close(self._connections, wait=True)

    def __repr__(self) -> str:
        shown = {**changed(self._options, HTTP_OPTIONS), "dialect": self._options["dialect"]}
        given = "".join(
            f", {name}={value!r}" for name, value in shown.items() if name not in ("url", "api_key")
        )
        return f"HttpScorer({self._options['url']!r}{given})"

    def _connection(self) -> Connection:
        """The connections of this process."""
        process = os.getpid()
        if process not in self._connections:
            self._connections.setdefault(process, Connection(self._server.concurrency))
        return self._connections[process]


def _close(connections: dict[int, Connection], *, wait: bool) -> None:
    """Closes the connections of this process; those from before a fork belong to another."""
    if (own := connections.get(os.getpid())) is not None:
        own.close(wait=wait)
