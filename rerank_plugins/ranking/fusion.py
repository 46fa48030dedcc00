"""The first stage's opinion of its candidates, as a bonus that is added to the model's logits."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.checks.values import as_number
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.messages.values import described

_ENOUGH = 6
"""How often scores that never fall must rise to tell of a wrong sign: seven in a chance order do so
once in 5,040 lists, and by then most lists of distances do."""


def position_bonus(count: int) -> NDArray[np.float64]:
    """The bonus of n candidates by their places: 1 for the first, falling to 0 for the last.

    It is -log(1 + rank), brought to the range from 0 to 1 within the list; `rank` counts from 1. A
    single candidate has no rival, and its bonus is 0.

    Args:
        count: n, the number of candidates.

    Returns:
        float64, shape `(n,)`.
    """
    return _from_0_to_1(-np.log1p(np.arange(1, count + 1, dtype=np.float64)))


def score_bonus(scores: Any, count: int, *, higher_is_better: bool) -> NDArray[np.float64]:
    """The bonus of n candidates by the first stage's scores: 1 for the best, 0 for the worst.

    Scores that are all equal say nothing, and every bonus is 0. Where scores and places disagree
    the scores count, unless seven or more get better from each to the next: such scores are read
    with the wrong sign.

    Args:
        scores: One finite number per candidate, in their order.
        count: n, the number of candidates.
        higher_is_better: False for distances.

    Returns:
        float64, shape `(n,)`.

    Raises:
        InvalidInputError: A score is missing or not finite, their number differs from that of the
            candidates, or they are read with the wrong sign.
    """
    values = _checked(scores, count)
    if not higher_is_better:
        values = -values
    better, worse = values[1:] > values[:-1], values[1:] < values[:-1]
    if better.sum() >= _ENOUGH and not worse.any():
        if higher_is_better:
            case, how = "For distances, where small is near", ""
        else:
            case, how = "Where a higher score is better", ", nearest first"
        message = (
            "first_stage_scores get better from the first passage to the last "
            f"({_shown(values if higher_is_better else -values)}), but passages come in "
            f"first-stage order, best first. {case}, pass "
            f"{option('higher_is_better', not higher_is_better)}; otherwise sort the passages{how}."
        )
        raise InvalidInputError(message)
    return _from_0_to_1(values)


def _shown(values: NDArray[np.float64]) -> str:
    """The first and the last score, for messages."""
    return f"{values[0]:g} ... {values[-1]:g}"


def _checked(scores: Any, count: int) -> NDArray[np.float64]:
    """The scores as n finite numbers."""
    if isinstance(scores, (str, bytes)) or not isinstance(scores, Iterable):
        message = (
            "first_stage_scores must be a list of numbers, one per passage, but got "
            f"{described(scores)}."
        )
        raise InvalidInputError(message)
    given = list(scores)
    if len(given) != count:
        message = (
            f"first_stage_scores must have one score per passage, but got {len(given)} scores for "
            f"{count} passages."
        )
        raise InvalidInputError(message)
    values = np.empty(count, dtype=np.float64)
    for place, score in enumerate(given):
        values[place] = as_number(score)
        if not np.isfinite(values[place]):
            message = (
                f"first_stage_scores[{place}] must be a finite number, but got {described(score)}. "
                "Where scores are missing, leave first_stage_scores (first_stage_score_field of a "
                "wrapper) out: the order of the passages is then the first stage's opinion."
            )
            raise InvalidInputError(message)
    return values


def _from_0_to_1(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values moved and stretched so that the least is 0 and the greatest 1; all 0 if equal."""
    if not len(values) or values.min() == values.max():
        return np.zeros(len(values))
    _, exponent = np.frexp(np.abs(values).max())
    values = np.ldexp(values, -exponent)  # exact; the range of the greatest floats would overflow
    scaled: NDArray[np.float64] = (values - values.min()) / (values.max() - values.min())
    return scaled
