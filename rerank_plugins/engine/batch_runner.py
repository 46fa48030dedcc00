"""Runs batches on one backend, and confines a failure to the requests that caused it."""

import time
from collections.abc import Callable, Sequence
from traceback import clear_frames
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.contract import Backend, PairOptions
from rerank_plugins.engine.failures import explained
from rerank_plugins.engine.out_of_memory import is_out_of_memory
from rerank_plugins.engine.requests import Item, Request

Deliver: TypeAlias = Callable[[Sequence[Item], NDArray[np.float32], int, float], None]
"""Takes b items, their logits, shape `(b,)`, the most tokens that the batch may have had, and the
seconds that it took."""

FITTING = 200
"""How many batches must fit before bigger ones are tried again."""


class BatchRunner:
    """Runs the batches of one device and deals with those that fail.

    A batch that is too big for memory is halved until it fits, and later batches stay below that
    size. After `FITTING` batches have fitted, twice the size is tried again, because something else
    may have filled the memory. A batch that fails for another reason is repeated request by
    request. A request that fails alone is repeated pair by pair, because some models refuse pairs
    side by side that they score alone.

    Args:
        deliver: Called with each scored batch.
    """

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._most_tokens: int | None = None
        self._fitted = 0

    def budget(self, backend: Backend, options: PairOptions) -> int:
        """The most tokens that a batch may have, padding included."""
        tokens = backend.batch_tokens(options)
        return tokens if self._most_tokens is None else min(tokens, self._most_tokens)

    def run(self, backend: Backend, batch: Sequence[Item]) -> None:
        """Scores a batch of pairs with equal options, except pairs of requests that are done."""
        batch = [item for item in batch if not item.request.done()]
        if not batch:
            return
        begun = time.perf_counter()
        try:
            logits = backend.logits([item.given for item in batch], batch[0].request.options)
        except BaseException as error:
            parts = self._parts(batch, error)
            if len(parts) == 1:
                # The error's frames would keep the failed batch in memory as long as the caller
                # keeps the error.
                clear_frames(error.__traceback__)
                batch[0].request.fail(explained(error, batch[0]))
                return
        else:
            self._note_fit()
            seconds = time.perf_counter() - begun
            self._deliver(batch, logits, self.budget(backend, batch[0].request.options), seconds)
            return
        # Outside of the handler, because the error's frames keep the failed batch in memory.
        for part in parts:
            self.run(backend, part)

    def _note_fit(self) -> None:
        if self._most_tokens is not None:
            self._fitted += 1
            if self._fitted == FITTING:
                self._fitted, self._most_tokens = 0, 2 * self._most_tokens

    def _parts(self, batch: Sequence[Item], error: BaseException) -> list[Sequence[Item]]:
        """Smaller batches to try instead; only the batch itself if it cannot be divided."""
        if is_out_of_memory(error) and len(batch) > 1:
            self._most_tokens = max(item.tokens for item in batch) * len(batch) // 2
            self._fitted = 0
            half = len(batch) // 2
            return [batch[:half], batch[half:]]
        by_request: dict[Request, list[Item]] = {}
        for item in batch:
            by_request.setdefault(item.request, []).append(item)
        if len(by_request) > 1:
            return list(by_request.values())
        return [[item] for item in batch]
