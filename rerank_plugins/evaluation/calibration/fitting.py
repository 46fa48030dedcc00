"""Fits the curve from a score to the probability of being relevant; needs scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.calibration.curves import Curve, Isotonic, Platt
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.calibration.labels import Labels
from rerank_plugins.evaluation.calibration.reliability import brier
from rerank_plugins.process.extras import require

FOLDS = 5
"""Each query is measured with a curve that was fitted on the queries of the other folds."""

FEWEST = 10
"""Passages of each kind, and queries, without which no curve is fitted."""

FEWEST_FOR_ISOTONIC = 100
"""Relevant passages from which a curve of any shape is tried: with fewer it follows chance."""

_DIGITS = 5
"""Digits of a score that count: backends differ behind them."""


@dataclass(frozen=True)
class Fitted:
    """A curve, and what it says about queries that had no part in fitting it.

    Attributes:
        curve: The curve, fitted on all queries.
        probabilities: The probability of each candidate by a curve of other queries, shape `(n,)`.
        errors: The Brier score of each kind of curve that was tried, on such probabilities.
    """

    curve: Curve
    probabilities: NDArray[np.float64]
    errors: Mapping[str, float]

    @property
    def kind(self) -> str:
        """The kind of curve that was chosen."""
        return "platt" if isinstance(self.curve, Platt) else "isotonic"


def fitted(labels: Labels) -> Fitted:
    """Fits both kinds of curves and keeps the one with the lower error on other queries.

    Raises:
        InvalidInputError: There are too few labels, or higher scores are not more often relevant.
        MissingExtraError: scikit-learn is not installed.
    """
    require("sklearn", extra="calibrate", purpose="Fitting a calibration")
    _check_enough(labels)
    kinds: dict[str, Callable[[Labels], Curve]] = {"platt": fit_platt}
    if labels.relevant.sum() >= FEWEST_FOR_ISOTONIC:
        kinds["isotonic"] = fit_isotonic
    found = {name: _cross_fitted(labels, fit) for name, fit in kinds.items()}
    errors = {name: brier(each, labels.relevant) for name, each in found.items()}
    best = min(errors, key=errors.__getitem__)
    return Fitted(kinds[best](labels), found[best], errors)


def fit_platt(labels: Labels) -> Platt:
    """Fits a sigmoid of a straight line.

    As Platt did, labels are taken for a little less than sure, so that a clean separation of few
    passages gives no infinite slope.

    Raises:
        InvalidInputError: Higher scores are not more often relevant.
    """
    from sklearn.linear_model import LogisticRegression

    positive = int(labels.relevant.sum())
    negative = len(labels.relevant) - positive
    sure = np.where(labels.relevant, (positive + 1) / (positive + 2), 1 / (negative + 2))
    scores = labels.scores.reshape(-1, 1)
    model = LogisticRegression(C=np.inf)
    model.fit(
        np.concatenate([scores, scores]),
        np.repeat([1, 0], len(scores)),
        np.concatenate([sure, 1 - sure]),
    )
    slope = float(model.coef_[0, 0])
    if slope <= 0:
        message = (
            "higher scores are not more often relevant here, so no probability can be made of "
            "them. Check that the model fits the language and subject: `rerank eval` says whether "
            "it helps at all."
        )
        raise InvalidInputError(message)
    return Platt(slope, float(model.intercept_[0]))


def fit_isotonic(labels: Labels) -> Isotonic:
    """Fits points that never fall. None of them is quite 0 or 1: no number of labels is enough."""
    from sklearn.isotonic import IsotonicRegression

    least = 1 / (len(labels.relevant) + 2)
    model: Any = IsotonicRegression(y_min=least, y_max=1 - least)
    model.fit(np.round(labels.scores, _DIGITS), labels.relevant.astype(np.float64))
    return Isotonic(
        tuple(model.X_thresholds_.tolist()), tuple(np.round(model.y_thresholds_, 9).tolist())
    )


def _cross_fitted(labels: Labels, fit: Callable[[Labels], Curve]) -> NDArray[np.float64]:
    fold = np.random.default_rng(0).permutation(labels.asked)[labels.query] % FOLDS
    probabilities = np.empty(len(labels.scores))
    for number in range(FOLDS):
        probabilities[fold == number] = fit(labels.only(fold != number))(
            labels.scores[fold == number]
        )
    return probabilities


def _check_enough(labels: Labels) -> None:
    positive = int(labels.relevant.sum())
    counts = {
        "relevant candidates": positive,
        "candidates that are not relevant": len(labels.relevant) - positive,
        "queries with a relevant candidate": len(np.unique(labels.query[labels.relevant])),
    }
    few = [f"{count} {name}" for name, count in counts.items() if count < FEWEST]
    if few:
        message = (
            f"a calibration needs {FEWEST} or more of each, and there are only {', '.join(few)}. "
            "Judge more questions, or raise --depth if the first stage finds relevant passages "
            "further down."
        )
        raise InvalidInputError(message)
