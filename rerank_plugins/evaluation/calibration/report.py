"""A calibration with its figures: what was fitted on what, how far off it is, what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rerank_plugins.calibration.file import Calibration
from rerank_plugins.checks.values import as_number
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.calibration.fitting import Fitted, fitted
from rerank_plugins.evaluation.calibration.labels import Labels, labels_of
from rerank_plugins.evaluation.calibration.reliability import Reliability, reliability
from rerank_plugins.evaluation.calibration.thresholds import Conformal, Kept, conformal, kept_by
from rerank_plugins.evaluation.comparison import Comparison
from rerank_plugins.ranking.order import on_scale
from rerank_plugins.scoring.identity import Identity

_TO_JUDGE = 20


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration of one reranker's scores.

    Attributes:
        name: The reranker's name.
        comparisons: One per collection.
        weight: Logits that the first stage's opinion adds to its first candidate; 0 for none.
        judged_only: Whether candidates that nobody judged were left out.
        labels: The candidates with their scores and judgements.
        fitted: The curve, and its probabilities for queries that it was not fitted on.
        before: The errors of the plain sigmoid of the scores.
        after: The errors of those probabilities.
        kept: What thresholds keep, by those probabilities.
        conformal: The threshold with a promise; `None` if the queries are too few.
        wanted: The share of queries that it is to keep a relevant passage for.
    """

    name: str
    comparisons: Sequence[Comparison]
    weight: float
    judged_only: bool
    labels: Labels
    fitted: Fitted
    before: Reliability
    after: Reliability
    kept: Sequence[Kept]
    conformal: Conformal | None
    wanted: float

    @property
    def threshold(self) -> float | None:
        """The threshold with a promise on the calibrated scale, rounded down."""
        return None if self.conformal is None else self.conformal.probability

    @property
    def to_judge(self) -> list[tuple[int, str, str, float]]:
        """The candidates that nobody judged and that score highest, best first.

        Each is the number of its collection, its query's id, its own id, and its probability.
        """
        labels = self.labels
        open_ones = [
            (score, place)
            for place, (score, judged) in enumerate(
                zip(labels.scores.tolist(), labels.judged.tolist(), strict=True)
            )
            if not judged
        ]
        best = sorted(open_ones, key=lambda each: -each[0])[:_TO_JUDGE]
        return [(*labels.passages[place], self.probability(score)) for score, place in best]

    def probability(self, score: float) -> float:
        """What the curve makes of one score."""
        import numpy as np

        return float(self.fitted.curve(np.array([score]))[0])

    def calibration(self, name: str, identity: Identity) -> Calibration:
        """What is written into a file.

        Args:
            name: The model, as it was called.
            identity: What makes its scores what they are.
        """
        return Calibration(name, identity, self.weight, self.fitted.curve, self.facts())

    def facts(self) -> dict[str, Any]:
        """What was fitted on what, and how well, as plain values."""
        labels, found = self.labels, self.conformal
        return {
            "collections": [each.collection.name for each in self.comparisons],
            "first_stage": self.comparisons[0].first_stage.name,
            "depth": max(each.depth for each in self.comparisons),
            "queries": labels.asked,
            "candidates": len(labels.scores),
            "relevant": int(labels.relevant.sum()),
            "not_judged": round(labels.unjudged_share, 4),
            "judged_only": self.judged_only,
            "calibration_error": [
                round(value, 5) for value in (self.after.error, self.after.low, self.after.high)
            ],
            "calibration_error_of_the_sigmoid": round(self.before.error, 5),
            "brier": round(self.after.brier, 5),
            "brier_of_the_sigmoid": round(self.before.brier, 5),
            "threshold": None
            if found is None
            else {
                "value": self.threshold,
                "keeps": self.wanted,
                "queries": found.queries,
                "interval": [round(found.low, 3), round(found.high, 3)],
                "hopeless": found.hopeless,
                "empties": round(found.emptied, 3),
            },
        }


def calibrate(
    comparisons: Sequence[Comparison],
    name: str,
    *,
    weight: float = 0.0,
    judged_only: bool = False,
    wanted: float = 0.9,
) -> CalibrationReport:
    """Fits what a reranker's scores mean on the judged candidates of one or more collections.

    All figures but the curve and the threshold with a promise are of queries that had no part in
    fitting what they are measured with.

    Args:
        comparisons: One per collection; all have this reranker.
        name: The reranker's name; its scores are logits.
        weight: Logits that the first stage's opinion adds to its first candidate.
        judged_only: Whether candidates that nobody judged are left out; otherwise they count as not
            relevant.
        wanted: The share of queries for which the threshold is to keep a relevant passage.

    Raises:
        InvalidInputError: There is no such reranker, a number is out of range, there are too few
            labels, none is negative, or higher scores are not more often relevant.
        MissingExtraError: scikit-learn is not installed.
    """
    labels = labels_of(comparisons, name, weight=weight, judged_only=judged_only)
    return calibrate_labels(
        labels, comparisons, name, weight=weight, judged_only=judged_only, wanted=wanted
    )


def calibrate_labels(
    labels: Labels,
    comparisons: Sequence[Comparison],
    name: str,
    *,
    weight: float = 0.0,
    judged_only: bool = False,
    wanted: float = 0.9,
) -> CalibrationReport:
    """`calibrate` for candidates of which some were left out for a reason of one's own."""
    if not 0.0 < as_number(wanted) < 1.0:
        message = (
            f"wanted must be a share of queries above 0 and below 1, but got {wanted!r}. For "
            "example wanted=0.9."
        )
        raise InvalidInputError(message)
    found = fitted(labels)
    plain = on_scale(labels.scores, "probability")
    return CalibrationReport(
        name,
        comparisons,
        weight,
        judged_only,
        labels,
        found,
        reliability(plain, labels.relevant, labels.query),
        reliability(found.probabilities, labels.relevant, labels.query),
        kept_by(labels, found.probabilities),
        conformal(labels, found.curve, wanted),
        wanted,
    )


def calibration_values(report: CalibrationReport) -> dict[str, Any]:
    """The report as plain values, for JSON."""
    return {
        "model": report.name,
        "first_stage_weight": report.weight,
        **report.facts(),
        "curve": report.fitted.curve.values(),
        "brier_by_curve": dict(report.fitted.errors),
        "bins": [asdict(each) for each in report.after.bins],
        "bins_of_the_sigmoid": [asdict(each) for each in report.before.bins],
        "thresholds": [asdict(each) for each in report.kept],
        "to_judge": [
            {
                "collection": report.comparisons[number].collection.name,
                "query": query,
                "passage": passage,
                "probability": probability,
            }
            for number, query, passage, probability in report.to_judge
        ],
    }
