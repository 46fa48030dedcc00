"""Counts the pairs that a scorer has scored on any number of threads, without a lock."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.results import PairScores, Statistics


class Tally:
    """Adds up the answers of one scorer.

    Each thread has its own count, so no call waits for another, and neither a fork nor an
    exception in a signal handler can leave a lock taken. A copy or a pickle starts at zero.
    """

    def __init__(self) -> None:
        self._by_thread: dict[int, Statistics] = {}

    def add(self, scores: PairScores) -> None:
        """Adds the pairs of an answer that have a score."""
        scored = scores if scores.scored is None else scores.at(scores.scored)
        added = Statistics(
            pairs=len(scored.logits),
            truncated=_count(scored.truncated),
            cached=_count(scored.cached) or 0,
        )
        me = threading.get_ident()
        self._by_thread[me] = _sum(self._by_thread.get(me, Statistics()), added)

    def total(self) -> Statistics:
        """The answers of all threads together."""
        total = Statistics()
        for counted in list(self._by_thread.values()):
            total = _sum(total, counted)
        return total

    def __reduce__(self) -> tuple[Any, ...]:
        return Tally, ()


def _count(flags: NDArray[np.bool_] | None) -> int | None:
    return None if flags is None else int(np.count_nonzero(flags))


def _sum(one: Statistics, other: Statistics) -> Statistics:
    truncated = None
    if one.truncated is not None and other.truncated is not None:
        truncated = one.truncated + other.truncated
    return Statistics(one.pairs + other.pairs, truncated, one.cached + other.cached)
