"""How far off a calibration is on judged collections that it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rerank_plugins.calibration.curves import Curve
from rerank_plugins.evaluation.calibration.labels import Labels, labels_of
from rerank_plugins.evaluation.calibration.reliability import Reliability, reliability
from rerank_plugins.evaluation.comparison import Comparison
from rerank_plugins.evaluation.time_report import Table
from rerank_plugins.ranking.order import on_scale

Errors = tuple[Reliability, Reliability] | None
"""The errors of the plain sigmoid and of the calibration; `None` without any candidate."""

Measured = Mapping[str, Mapping[str, Errors]]
"""Reranker to collection to the errors."""

POOLED = "all together"


def measured_calibrations(
    comparisons: Sequence[Comparison], curves: Mapping[str, tuple[float, Curve]]
) -> Measured:
    """Returns the errors on each collection, and on the candidates of all of them together.

    Args:
        comparisons: One per collection.
        curves: Reranker to the weight of the first stage in its scores, and their curve.
    """
    found: dict[str, dict[str, Errors]] = {}
    for name, (weight, curve) in curves.items():
        several = [*([each] for each in comparisons), *([comparisons] * (len(comparisons) > 1))]
        found[name] = {
            each[0].collection.name if len(each) == 1 else POOLED: _errors(
                labels_of(each, name, weight=weight), curve
            )
            for each in several
        }
    return found


def calibration_tables(measured: Measured) -> list[Table]:
    """Returns one table per reranker."""
    head = ["", "sigmoid, points off", "calibrated, points off", "95% interval", "Brier", "was"]
    return [
        Table(
            [f"calibration of {name}", *head[1:]],
            [[collection, *_figures(errors)] for collection, errors in rows.items()],
            "Points off: by how much probability and relevant share differ (calibration error). "
            "Brier: the squared error, and what it was with the plain sigmoid. Candidates that "
            "nobody judged count as not relevant.",
        )
        for name, rows in measured.items()
    ]


def calibration_errors(measured: Measured) -> dict[str, Any]:
    """Returns the errors as plain values, for JSON; `None` for a collection without candidates."""
    return {
        name: {
            collection: None if errors is None else _values(*errors)
            for collection, errors in rows.items()
        }
        for name, rows in measured.items()
    }


def _figures(errors: Errors) -> list[str]:
    if errors is None:
        return ["no candidates", "", "", "", ""]
    before, after = errors
    return [
        f"{100 * before.error:.1f}",
        f"{100 * after.error:.1f}",
        f"{100 * after.low:.1f} to {100 * after.high:.1f}",
        f"{after.brier:.4f}",
        f"{before.brier:.4f}",
    ]


def _values(before: Reliability, after: Reliability) -> dict[str, Any]:
    return {
        "sigmoid": {"error": before.error, "brier": before.brier},
        "calibrated": {
            "error": after.error,
            "interval": [after.low, after.high],
            "brier": after.brier,
        },
    }


def _errors(labels: Labels, curve: Curve) -> Errors:
    if not len(labels.scores):
        return None
    plain = on_scale(labels.scores, "probability")
    before, after = (
        reliability(each, labels.relevant, labels.query) for each in (plain, curve(labels.scores))
    )
    return before, after
