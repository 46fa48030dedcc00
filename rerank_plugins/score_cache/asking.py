"""What a scorer asks its model, with the cache in front of the model."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import fields
from typing import Any

from rerank_plugins.backends.contract import PairOptions
from rerank_plugins.engine.identity import KnownIdentity
from rerank_plugins.engine.requests import Request
from rerank_plugins.results import PairScores
from rerank_plugins.score_cache.lease import Lease
from rerank_plugins.score_cache.requests import CachedRequest, Pairs
from rerank_plugins.texts.affixes import AFFIXES, with_affixes


class Asking:
    """Asks a model for the scores of pairs, as the options of one scorer say.

    Args:
        lease: The model, and a cache of scores that it is not asked for again. What was asked
            keeps it open.
        options: The checked options of the scorer.
        from_left: Whether a text that is too long loses its beginning, and not its end.

    Attributes:
        reading: What is read of a pair.
        identity: What makes the model's numbers what they are.
    """

    def __init__(
        self,
        lease: Lease,
        options: Mapping[str, Any],
        *,
        from_left: bool = False,
    ) -> None:
        self._lease = lease
        self._options = options
        names = {field.name for field in fields(PairOptions)} & options.keys()
        self.reading = PairOptions(**{name: options[name] for name in names}, from_left=from_left)
        affixes = {name: options[name] for name in AFFIXES}
        self.identity = KnownIdentity(lease.shared, self.reading, affixes)

    def submit(
        self, pairs: Pairs, timeout: float | None, deadline: float | None, *, wait: bool
    ) -> "Future[PairScores]":
        """Queues the pairs for the cache's thread and the model's.

        Args:
            pairs: n checked pairs.
            timeout: Seconds after which it fails; `None` is never.
            deadline: When its time budget ends, on the clock of `time.monotonic`; `None` is never.
            wait: Whether the pairs wait for room if the queue is full.

        Raises:
            QueueFullError: Too many pairs wait already. With a cache, the future has this error,
                and the next.
            ForkedProcessError: The model was loaded before this process was forked.
        """
        begun = time.monotonic()

        def ask(pairs: Pairs) -> "Future[PairScores]":
            request = Request(
                with_affixes(pairs, self._options),
                self.reading,
                timeout=timeout,
                max_queue_pairs=self._options["max_queue_pairs"],
                deadline=deadline,
                progress_bar=self._options["progress_bar"],
            )
            if timeout is not None:
                request.fails_at = begun + timeout  # the cache has taken some of the time
            return self._lease.shared.engine_here().submit(request, wait=wait)

        return self._through_cache(pairs, ask, final=deadline is None)

    def load(self) -> "Future[PairScores]":
        """Queues a request without pairs: it is done when the model is loaded and fits the options.

        Raises:
            ForkedProcessError: As `submit`.
        """
        request = Request((), self.reading)
        return self._through_cache((), lambda _: self._lease.shared.engine_here().submit(request))

    def _through_cache(
        self,
        pairs: Pairs,
        ask: "Callable[[Pairs], Future[PairScores]]",
        *,
        final: bool = True,
    ) -> "Future[PairScores]":
        """Asks for the pairs, or for those that the cache has not, if there is one."""
        if self._lease.cache is None:
            return ask(pairs)
        return self._lease.cache.submit(CachedRequest(pairs, ask, self.identity.now, final=final))
