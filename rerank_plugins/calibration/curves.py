"""Curves from a score to the probability that a passage is relevant."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Platt:
    """A sigmoid of a straight line: two numbers, which a few labels can fit.

    Attributes:
        slope: How much a score of one more adds to the log-odds; above 0.
        intercept: The log-odds at a score of 0.
    """

    slope: float
    intercept: float

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of each score."""
        log_odds = self.slope * scores + self.intercept
        probabilities: NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -log_odds))
        return probabilities

    def values(self) -> dict[str, Any]:
        """The curve as plain values, for `curve_of`."""
        return {"kind": "platt", "slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Straight lines between points that never fall: any shape, which needs many labels.

    Scores before the first point and behind the last have the probability of that point.

    Attributes:
        scores: The scores of the points, rising.
        probabilities: Their probabilities, never falling.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of each score."""
        return np.interp(scores, self.scores, self.probabilities)

    def values(self) -> dict[str, Any]:
        """The curve as plain values, for `curve_of`."""
        return {
            "kind": "isotonic",
            "scores": list(self.scores),
            "probabilities": list(self.probabilities),
        }


Curve: TypeAlias = Platt | Isotonic


def curve_of(values: Mapping[str, Any]) -> Curve:
    """The curve that plain values describe.

    Raises:
        KeyError: A value is missing.
        TypeError: A value is no number.
        ValueError: They describe no curve that rises from score to score.
    """
    if values["kind"] == "platt":
        platt = Platt(float(values["slope"]), float(values["intercept"]))
        if not (np.isfinite(platt.intercept) and 0.0 < platt.slope < np.inf):
            message = f"a slope of {platt.slope!r} with an intercept of {platt.intercept!r}"
            raise ValueError(message)
        return platt
    if values["kind"] == "isotonic":
        scores, probabilities = (
            tuple(map(float, values[name])) for name in ("scores", "probabilities")
        )
        rises = all(low < high for low, high in pairwise(scores))
        falls = any(low > high for low, high in pairwise(probabilities))
        inside = all(0.0 <= each <= 1.0 for each in probabilities)
        if not scores or len(scores) != len(probabilities) or not rises or falls or not inside:
            message = "its points do not rise from 0 to 1"
            raise ValueError(message)
        return Isotonic(scores, probabilities)
    message = f"a curve of kind {values['kind']!r}"
    raise ValueError(message)
