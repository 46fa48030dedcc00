"""Within a time budget, a scorer of one's own is asked for a few pairs at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.results import PairScores
from rerank_plugins.work import total_work


class Slices:
    """Decides which pairs are asked for next, and collects the answers.

    The first slice is one pair, because nothing is known about the scorer. Each further one is at
    most twice as long as the last, and as long as the last one's pace says that the time left
    allows. It knows neither threads nor event loops nor a clock.

    Args:
        pairs: n pairs; they are asked for in this order.
        deadline: When the time budget ends.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], deadline: float) -> None:
        self._pairs = pairs
        self._deadline = deadline
        self._answers: list[PairScores] = []
        self._asked = 0  # pairs, those of the slice under way included
        self._size = 0  # of the slice under way, or of the last
        self._begun = 0.0
        self._pace = 0.0  # seconds per pair of the last slice

    def next(self, now: float) -> Sequence[tuple[str, str]]:
        """The pairs to ask for now; none if all are scored, or if no more fit the time left."""
        left = self._deadline - now
        if left <= 0:
            return ()
        most = max(1, 2 * self._size)
        if self._pace * most > left:
            most = int(left / self._pace)
        if not (most or self._scored_any()):
            most = 1
        part = self._pairs[self._asked : self._asked + most]
        self._asked += len(part)
        self._size = len(part)
        self._begun = now
        return part

    def put(self, answer: PairScores, now: float) -> None:
        """Takes the scores of the pairs that were asked for last."""
        self._answers.append(answer)
        self._pace = (now - self._begun) / self._size

    def scores(self) -> PairScores:
        """The scores of all n pairs."""
        logits = np.full(len(self._pairs), np.nan, dtype=np.float32)
        scored = np.zeros(len(self._pairs), dtype=np.bool_)
        truncated = np.zeros(len(self._pairs), dtype=np.bool_)
        start = 0
        for answer in self._answers:
            part = slice(start, start := start + len(answer.logits))
            logits[part] = answer.logits
            scored[part] = True if answer.scored is None else answer.scored
            truncated[part] = False if answer.truncated is None else answer.truncated
        known = all(answer.truncated is not None for answer in self._answers)
        return PairScores(
            logits,
            truncated if known else None,
            scored=None if scored.all() else scored,
            windows=self._joined([answer.windows for answer in self._answers]),
            best=self._joined([answer.best for answer in self._answers]),
            work=total_work(answer.work for answer in self._answers),
        )

    def _joined(self, parts: Sequence[NDArray[np.intp] | None]) -> NDArray[np.intp] | None:
        """One array of those of the answers, with zeros for other pairs; `None` if one has none."""
        known = [part for part in parts if part is not None]
        if not known or len(known) < len(parts):
            return None
        joined = np.zeros((len(self._pairs), *known[0].shape[1:]), dtype=np.intp)
        joined[: sum(map(len, known))] = np.concatenate(known)
        return joined

    def _scored_any(self) -> bool:
        return any(answer.scored is None or answer.scored.any() for answer in self._answers)
