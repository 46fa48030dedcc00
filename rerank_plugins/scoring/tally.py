"""Counts the pairs that a scorer has scored on any number of threads, without a lock."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.results import Statistics


class Tally:
    """Adds up the answers of one scorer.

    Each thread has its own count, so no call waits for another, and neither a fork nor an
    exception in a signal handler can leave a lock taken. A copy or a pickle starts at zero.
    """

    def __init__(self) -> None:
        self._by_thread: dict[int, Statistics] = {}

    def add(self, pairs: int, truncated: NDArray[np.bool_] | None) -> None:
        """Adds the pairs of an answer, and how many of them were cut, if that is known."""
        cut = None if truncated is None else int(np.count_nonzero(truncated))
        me = threading.get_ident()
        self._by_thread[me] = _sum(self._by_thread.get(me, Statistics()), Statistics(pairs, cut))

    def total(self) -> Statistics:
        """The answers of all threads together."""
        total = Statistics()
        for counted in list(self._by_thread.values()):
            total = _sum(total, counted)
        return total

    def __reduce__(self) -> tuple[Any, ...]:
        return Tally, ()


def _sum(one: Statistics, other: Statistics) -> Statistics:
    pairs = one.pairs + other.pairs
    if one.truncated is None or other.truncated is None:
        return Statistics(pairs, None)
    return Statistics(pairs, one.truncated + other.truncated)
