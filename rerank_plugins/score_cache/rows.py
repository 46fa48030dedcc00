"""Scores as the rows of a file, and back."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.results import PairScores


class Kept(NamedTuple):
    """What is kept of a pair: facts of `PairScores`, `None` where one is not known.

    Attributes:
        logit: Its logit.
        truncated: Whether it was read only in part, as 0 or 1.
        windows: How many windows of the passage were scored.
        start: The first character of the best window.
        stop: The one after its last.
    """

    logit: float
    truncated: int | None
    windows: int | None
    start: int | None
    stop: int | None


def rows_of(scores: PairScores) -> list[Kept]:
    """The row of each pair."""
    sides = (None, None) if scores.best is None else (scores.best[:, 0], scores.best[:, 1])
    columns = [
        [None] * len(scores.logits) if fact is None else fact.astype(int).tolist()
        for fact in (scores.truncated, scores.windows, *sides)
    ]
    return list(map(Kept._make, zip(scores.logits.tolist(), *columns, strict=True)))


def scores_of(
    rows: Sequence[Kept], scored: NDArray[np.bool_] | None, cached: NDArray[np.bool_]
) -> PairScores:
    """The scores that the rows say; a fact that is unknown of one pair is unknown of all.

    Args:
        rows: The row of each of n pairs, n > 0.
        scored: As in `PairScores`.
        cached: As in `PairScores`.
    """
    logits, truncated, windows, start, stop = zip(*rows, strict=True)
    return PairScores(
        np.array(logits, dtype=np.float32),
        truncated=None if None in truncated else np.array(truncated, dtype=np.bool_),
        scored=scored,
        windows=None if None in windows else np.array(windows),
        best=None if None in start else np.column_stack((start, stop)),
        cached=cached,
    )
