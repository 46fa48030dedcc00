"""A request on its way through the cache: what is kept, what is asked for, what to keep."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.engine.condition import SafeCondition
from rerank_plugins.errors import RerankError
from rerank_plugins.results import PairScores
from rerank_plugins.score_cache.file import ScoreFile
from rerank_plugins.score_cache.keys import pair_keys
from rerank_plugins.score_cache.rows import Kept, rows_of, scores_of
from rerank_plugins.scoring.answers import NO_SCORES
from rerank_plugins.scoring.identity import Identity

Pairs: TypeAlias = Sequence[tuple[str, str]]

Course: TypeAlias = Generator["Future[PairScores] | None", None, None]
"""Yields a future to wait for, or `None` to let other requests go first."""

SLICE = 1000
"""How many pairs are looked up or kept at a time: milliseconds."""

_TRIES = 40
"""How often a slice is tried to be kept while another process writes: about two seconds."""


class CachedRequest(Future[PairScores]):
    """Pairs on their way to kept scores or to a model, and the future that the caller holds.

    Args:
        pairs: The pairs; `()` opens the file and loads the model.
        ask: Asks the model for some of them.
        identity: Says what scores them now, if that is known; it may read the model's files.
        final: Whether each score that the model gives is that of the whole pair. Within a time
            budget it may be that of some windows of a passage.

    Attributes:
        asked: What the model was asked for; `None` before that.
    """

    def __init__(
        self,
        pairs: Pairs,
        ask: "Callable[[Pairs], Future[PairScores]]",
        identity: Callable[[], Identity | None],
        *,
        final: bool = True,
    ) -> None:
        super().__init__()
        self._condition = SafeCondition()
        self._pairs = pairs
        self._ask = ask
        self._identity = identity
        self._final = final
        self.asked: Future[PairScores] | None = None
        self.add_done_callback(_pass_on)

    def course(self, file: ScoreFile) -> Course:
        """What becomes of it, step by step, on the thread that uses the file.

        Raises:
            BaseException: What the model failed with.
        """
        rows: list[Kept | None] = []
        digest = self._digest()
        for start in range(0, max(1, len(self._pairs)), SLICE):
            part = self._pairs[start : start + SLICE]
            rows += file.get(pair_keys(digest, part)) if digest else [None] * len(part)
            yield None
            if self.done():
                return
        left = [at for at, row in enumerate(rows) if row is None]
        if rows and not left:
            self._finish(_joined(rows, left, NO_SCORES))
            return
        pairs = [self._pairs[at] for at in left]
        asked = self._asking(pairs)
        yield asked
        if self.done():
            return
        scores = asked.result()
        if len(left) < len(rows) and self._digest() != digest:
            # Another model was loaded than the one whose scores were found.
            rows, left, pairs = [None] * len(rows), list(range(len(rows))), list(self._pairs)
            asked = self._asking(pairs)
            yield asked
            if self.done():
                return
            scores = asked.result()
        self._finish(_joined(rows, left, scores))
        yield from self._keep(file, pairs, scores)

    def fail(self, error: BaseException) -> None:
        """Gives the caller the error, unless the request is done."""
        with suppress(InvalidStateError):
            self.set_exception(error)

    def let_go(self) -> None:
        """Drops what is no longer needed, because the caller may keep the future for long."""
        self._pairs, self.asked = (), None
        del self._ask, self._identity

    def _digest(self) -> str | None:
        """What tells the scores from those of others; `None` if that is not known."""
        try:
            identity = self._identity()
        except RerankError:  # raised again when the model is asked
            return None
        return None if identity is None else identity.digest

    def _finish(self, scores: PairScores) -> None:
        with suppress(InvalidStateError):  # cancelled
            self.set_result(scores)

    def _asking(self, pairs: Pairs) -> "Future[PairScores]":
        asked = self.asked = self._ask(pairs)
        if self.cancelled():  # just before
            asked.cancel()
        return asked

    def _keep(self, file: ScoreFile, pairs: Pairs, scores: PairScores) -> Course:
        """Puts the new scores into the file."""
        digest = self._digest()  # not that of before, if the model is run otherwise than expected
        if digest is None:
            return
        lasting = self._lasting(scores)
        rows = rows_of(scores.at(lasting))
        pairs = [pairs[at] for at in np.flatnonzero(lasting).tolist()]
        for start in range(0, len(rows), SLICE):
            part = slice(start, start + SLICE)
            keys = pair_keys(digest, pairs[part])
            for tries_left in reversed(range(_TRIES)):
                kept = file.put(keys, rows[part], again=tries_left > 0)
                yield None
                if kept:
                    break

    def _lasting(self, scores: PairScores) -> NDArray[np.bool_]:
        """Which scores stay what they are; a number that is not finite is a failure."""
        finite: NDArray[np.bool_] = np.isfinite(scores.logits)
        if self._final or scores.windows is None:
            return finite
        return finite & (False if scores.truncated is None else ~scores.truncated)


def _pass_on(done: "Future[PairScores]") -> None:
    """Cancels what was asked for, if the caller has cancelled the request."""
    assert isinstance(done, CachedRequest)
    if done.cancelled():
        done.set_running_or_notify_cancel()  # wakes callers of concurrent.futures.wait
        if done.asked is not None:
            done.asked.cancel()


def _joined(rows: list[Kept | None], left: Sequence[int], scores: PairScores) -> PairScores:
    """The scores of all pairs: of those left what the model gave, of the others what was kept."""
    if len(left) == len(rows):
        return scores
    cached, scored = np.ones(len(rows), dtype=np.bool_), None
    cached[left] = False
    if scores.scored is not None:
        scored = cached.copy()
        scored[left] = scores.scored
    new = dict(zip(left, rows_of(scores), strict=True))
    joined = scores_of([row or new[at] for at, row in enumerate(rows)], scored, cached)
    return replace(joined, work=scores.work)
