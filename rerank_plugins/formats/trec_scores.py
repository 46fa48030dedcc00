"""Scores as TREC's tools read them: in single precision, with equal scores ordered by id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_SIGN = np.int64(0x7FFFFFFF)
_SUBNORMALS = np.int64(np.finfo(np.float32).smallest_normal.view(np.int32) - 1)
"""The number of single-precision numbers between 0 and the smallest that all programs keep."""
_LARGEST = np.int64(np.finfo(np.float32).max.view(np.int32)) - _SUBNORMALS


def single(score: float) -> float:
    """Returns a finite score as trec_eval keeps it; beyond the range, the largest of its sign."""
    limit = float(np.finfo(np.float32).max)
    return float(np.float32(min(max(score, -limit), limit)))


def trec_order(scores: Mapping[str, float]) -> dict[str, float]:
    """Returns ids with their scores in single precision, ordered as trec_eval reads a run.

    The order is by falling score, then by falling id.
    """
    kept = {name: single(score) for name, score in scores.items()}
    return {name: kept[name] for name in sorted(kept, key=lambda id: (kept[id], id), reverse=True)}


def tied(scores: Iterable[float]) -> int:
    """Returns the number of scores that equal an earlier one in single precision."""
    values = [single(score) for score in scores]
    return len(values) - len(set(values))


def falling(scores: Sequence[float]) -> list[str]:
    """Returns finite scores as texts that give every program the same order.

    Each score is below the one before, as a single-precision number and as a double. A score that
    is not is moved to the next number below, so n equal scores take n - 1 steps down. Numbers so
    small that some programs read them as 0 are not used.

    Args:
        scores: n scores in the order to be written; they should not rise.
    """
    places = np.arange(len(scores))
    steps = _steps(np.array([single(score) for score in scores], dtype=np.float32))
    steps = np.minimum.accumulate(steps + places) - places
    steps = np.maximum(steps, places[::-1] - _LARGEST)  # without room below, move the scores above
    return [str(value) for value in _numbers(steps)]


def _steps(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The position of each value among single-precision numbers, counted from 0.

    Numbers that are too small are not counted.
    """
    bits = values.view(np.int32).astype(np.int64)
    steps: NDArray[np.int64] = np.sign(bits | 1) * np.maximum((bits & _SIGN) - _SUBNORMALS, 0)
    return steps


def _numbers(steps: NDArray[np.int64]) -> NDArray[np.float32]:
    """The inverse of `_steps`."""
    sizes = np.where(steps == 0, 0, np.abs(steps) + _SUBNORMALS).astype(np.int32)
    return np.copysign(sizes.view(np.float32), steps.astype(np.float32))
