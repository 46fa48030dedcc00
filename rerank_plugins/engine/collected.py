"""The scores of a request's pairs as they come in: of each pair the best window's."""

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.contract import Prepared
from rerank_plugins.results import PairScores
from rerank_plugins.texts.windows import Place


class Collected:
    """Collects the scores of n pairs, each of which may come in windows.

    Args:
        size: How many pairs there are.

    Attributes:
        is_empty: Whether nothing has a score yet.
    """

    def __init__(self, size: int) -> None:
        self.is_empty = True
        self._logits = np.full(size, -np.inf, dtype=np.float32)  # the best so far
        self._best = [0] * size  # the number of the window that has it
        self._counts = [0] * size  # how many windows have a score
        self._windows: dict[int, list[Place]] = {}  # of each pair, if pairs come in windows
        self._more: set[int] = set()  # pairs with windows that are not tokenized yet
        self._reached = 0  # the position behind the pairs that are tokenized
        self._truncated: NDArray[np.bool_] | None = np.zeros(size, dtype=np.bool_)

    def expect(self, start: int, prepared: Prepared) -> list[tuple[int, int]]:
        """Takes note of prepared pairs; returns the position and window of each of their inputs.

        Args:
            start: The position of the first pair.
            prepared: The pairs.
        """
        if prepared.truncated is None:
            self._truncated = None
        elif self._truncated is not None:
            self._truncated[start : start + len(prepared.truncated)] = prepared.truncated
        if prepared.windows is None or prepared.more is None:
            self._reached = start + len(prepared.inputs)
            return [(start + at, 0) for at in range(len(prepared.inputs))]
        self._reached = max(self._reached, start + len(prepared.windows))
        places = []
        pairs = zip(prepared.windows, prepared.more, strict=True)
        for position, (spans, more) in enumerate(pairs, start):
            known = self._windows.setdefault(position, [])
            places += [(position, len(known) + at) for at in range(len(spans))]
            known += spans
            (self._more.add if more else self._more.discard)(position)
        return places

    @property
    def is_read(self) -> bool:
        """Whether all pairs are tokenized, with all of their windows."""
        return self._reached == len(self._counts) and not self._more

    def put(self, position: int, window: int, logit: np.float32) -> bool:
        """Takes one score; whether the pair is complete with it. Of equal scores the first counts.

        A NaN stays, so that it is reported.
        """
        self.is_empty = False
        self._counts[position] += 1
        spans = self._windows.get(position)
        if spans is None:
            self._logits[position] = logit
            return True
        best = self._logits[position], -self._best[position]
        if np.isnan(logit) or (logit, -window) > best:
            self._logits[position], self._best[position] = logit, window
        return self._counts[position] == len(spans) and position not in self._more

    def scores(self) -> PairScores:
        """The scores that there are; a pair with windows that have none is read only in part."""
        counts = np.array(self._counts, dtype=np.intp)
        scored = counts > 0
        logits = np.where(scored, self._logits, np.float32(np.nan))
        all_scored = None if scored.all() else scored
        if not self._windows:
            return PairScores(logits, self._truncated, all_scored)
        best = np.zeros((len(counts), 2), dtype=np.intp)
        unread = np.zeros(len(counts), dtype=np.bool_)
        for position, spans in self._windows.items():
            best[position] = spans[self._best[position]]
            unread[position] = counts[position] < len(spans)
        truncated = None if self._truncated is None else self._truncated | unread
        return PairScores(logits, truncated, all_scored, counts, best)
