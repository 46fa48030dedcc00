"""Runs batches on one backend, and sees to it that a failure reaches only whom it concerns."""

from collections.abc import Callable, Sequence
from traceback import clear_frames
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.contract import Backend, PairOptions
from rerank_plugins.engine.out_of_memory import is_out_of_memory
from rerank_plugins.engine.requests import Item, Request
from rerank_plugins.errors import RerankError, ScoringError
from rerank_plugins.messages.spelling import option

Deliver: TypeAlias = Callable[[Sequence[Item], NDArray[np.float32]], None]
"""Takes b items and their logits, shape `(b,)`."""

FITTING = 200
"""Batches that must fit before bigger ones are tried again."""


class BatchRunner:
    """One worker's way with batches that fail.

    A batch too big for memory is halved until it fits, and later ones stay below; after some that
    fit, twice as much is tried again, because what else filled the memory may be gone. A batch that
    fails for another reason is repeated request by request, and a request that fails alone pair by
    pair, because some models refuse pairs side by side that they score alone.

    Args:
        deliver: Called with what was scored.
    """

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._most_tokens: int | None = None
        self._fitted = 0

    def budget(self, backend: Backend, options: PairOptions) -> int:
        """Most tokens of a batch, padding included."""
        tokens = backend.batch_tokens(options)
        return tokens if self._most_tokens is None else min(tokens, self._most_tokens)

    def run(self, backend: Backend, batch: Sequence[Item]) -> None:
        """Scores a batch of pairs with equal options; those of requests that are done are left."""
        batch = [item for item in batch if not item.request.done()]
        if not batch:
            return
        try:
            logits = backend.logits([item.given for item in batch], batch[0].request.options)
        except BaseException as error:
            parts = self._parts(batch, error)
            if len(parts) == 1:
                # Whoever holds the error would hold the failed batch's memory with its frames.
                clear_frames(error.__traceback__)
                batch[0].request.fail(explained(error, batch[0]))
                return
        else:
            self._note_fit()
            self._deliver(batch, logits)
            return
        # Only out here: the error holds the frames that hold the failed batch's memory.
        for part in parts:
            self.run(backend, part)

    def _note_fit(self) -> None:
        if self._most_tokens is not None:
            self._fitted += 1
            if self._fitted == FITTING:
                self._fitted, self._most_tokens = 0, 2 * self._most_tokens

    def _parts(self, batch: Sequence[Item], error: BaseException) -> list[Sequence[Item]]:
        """What to try instead; the batch itself if nothing smaller is left to try."""
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


def explained(error: BaseException, item: Item | None = None) -> BaseException:
    """A failure to score, as an error of this suite; what a thread was told to end by stays.

    Args:
        error: What a model or a tokenizer raised.
        item: The pair, where it was alone in its batch.
    """
    if isinstance(error, RerankError) or not _is_failure(error):
        return error
    if item is not None and is_out_of_memory(error):
        message = (
            f"A single pair of {item.tokens} tokens does not fit into the memory that is free "
            f"({error}). Free some, pass a lower {option('max_length')}, or choose a smaller model."
        )
    else:
        message = f"The model failed to score {_named(item)} ({type(error).__name__}: {error})."
    scoring_error = ScoringError(message)
    scoring_error.__cause__ = error
    return scoring_error


def _named(item: Item | None) -> str:
    """The pair, where it is known and its caller still waits for it."""
    pairs = () if item is None else item.request.pairs
    if item is None or not pairs:
        return "pairs of the call"
    query, passage = pairs[item.position]
    return f"query {query[:60]!r} and passage {passage[:60]!r}"


def _is_failure(error: BaseException) -> bool:
    """Whether it is no request to end; tokenizers panic with an error that is no `Exception`."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"
