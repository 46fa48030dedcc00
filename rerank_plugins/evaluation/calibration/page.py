"""The report on a calibration as one HTML page, with the look of `rerank eval`'s."""

from __future__ import annotations

from rerank_plugins.evaluation.calibration.report import CalibrationReport
from rerank_plugins.evaluation.calibration.words import headline, reasons
from rerank_plugins.evaluation.environment import Environment
from rerank_plugins.evaluation.templates import template


def calibration_page(report: CalibrationReport, environment: Environment) -> str:
    """Returns the page: the answer, the diagram, thresholds, passages to judge, words, machine.

    Raises:
        MissingExtraError: Jinja or matplotlib is not installed.
    """
    page = template("calibration.html.jinja")
    from rerank_plugins.evaluation.calibration.plot import reliability_plot

    html: str = page.render(
        report=report,
        environment=environment,
        headline=headline(report),
        reasons=reasons(report),
        plot=reliability_plot(report.before.bins, report.after.bins),
        to_judge=[
            {
                "query": report.comparisons[number].collection.queries[query_id],
                "query_id": query_id,
                "passage": report.comparisons[number].collection.passages[passage_id],
                "passage_id": passage_id,
                "probability": probability,
            }
            for number, query_id, passage_id, probability in report.to_judge
        ],
    )
    return html
