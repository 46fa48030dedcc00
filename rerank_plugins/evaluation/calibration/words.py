"""What a calibration says, in plain sentences."""

from __future__ import annotations

from rerank_plugins.evaluation.calibration.fitting import FEWEST, FEWEST_FOR_ISOTONIC
from rerank_plugins.evaluation.calibration.report import CalibrationReport
from rerank_plugins.evaluation.calibration.thresholds import fewest_queries
from rerank_plugins.evaluation.verdict import FEW_QUERIES, counted, share

_MOSTLY = 0.5
"""From this share on, the figures are about what was judged and not about what is relevant."""


def headline(report: CalibrationReport) -> str:
    """Whether a threshold tells answers from the rest, in one sentence."""
    found = report.conformal
    if found is None:
        return (
            f"No threshold: to keep a relevant passage for {share(report.wanted)} of the queries "
            f"takes {fewest_queries(report.wanted)} queries or more that have one."
        )
    at = (
        f"the threshold of {report.threshold:g} keeps a relevant passage for at least "
        f"{share(found.wanted)} of the queries"
    )
    if found.is_clean is None:
        return (
            f"Not known whether it separates: {at}, and {FEWEST} queries or more that have "
            f"candidates that are not relevant would show it; there are only {found.hopeless}."
        )
    without = f"{found.hopeless} queries that have no answer left"
    if found.is_clean:
        empty = share(found.emptied)
        return f"A clean separation: {at}, and leaves nothing for {empty} of {without}."
    left = share(1 - found.emptied)
    return f"No clean separation: {at}, and leaves something for {left} of {without}."


def reasons(report: CalibrationReport) -> list[str]:
    """The figures behind it, and what to doubt, as sentences."""
    return [_errors(report), _curve(report), *_threshold(report), _judgements(report)]


def _errors(report: CalibrationReport) -> str:
    after, before = report.after, report.before
    return (
        f"Probability and relevant share differ by {100 * after.error:.1f} points on average "
        f"(95% interval {100 * after.low:.1f} to {100 * after.high:.1f}), by "
        f"{100 * before.error:.1f} with the plain sigmoid; the Brier score is {after.brier:.4f}, "
        f"and was {before.brier:.4f}. Measured on queries that the curve was not fitted on."
    )


def _curve(report: CalibrationReport) -> str:
    relevant = int(report.labels.relevant.sum())
    if "isotonic" not in report.fitted.errors:
        return (
            f"The curve is a sigmoid (Platt): with {relevant} relevant candidates, fewer than "
            f"{FEWEST_FOR_ISOTONIC}, another shape would follow chance."
        )
    kind = "a sigmoid (Platt)" if report.fitted.kind == "platt" else "free to bend (isotonic)"
    return f"The curve is {kind}: it has the lower Brier score on other queries."


def _threshold(report: CalibrationReport) -> list[str]:
    found = report.conformal
    if found is None:
        return []
    sentences = [
        f"The promise of the threshold is about the queries for which the first stage finds a "
        f"relevant passage, {found.queries} of {report.labels.asked} here. With as many, 95 of 100 "
        f"such thresholds keep one for {share(found.low)} to {share(found.high)} of new queries."
    ]
    if found.queries < FEW_QUERIES:
        sentences.append(
            f"{counted(found.queries).capitalize()} are few: ask {FEW_QUERIES} or more."
        )
    return sentences


def _judgements(report: CalibrationReport) -> str:
    if report.judged_only:
        return (
            "Candidates that nobody judged were left out. If the judged ones were chosen because "
            "they score high, probabilities are too high for all others."
        )
    unjudged = report.labels.unjudged_share
    if unjudged < _MOSTLY:
        return f"Of the candidates that count as not relevant, {share(unjudged)} were never judged."
    return (
        f"Of the candidates that count as not relevant, {share(unjudged)} were never judged, and "
        "some of them may be answers: take a probability as the least it can be. The highest of "
        "them are listed, to be judged next."
    )
