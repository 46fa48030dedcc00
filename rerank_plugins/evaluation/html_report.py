"""The report as one HTML page that needs no other file and no network."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from rerank_plugins.evaluation.cascades import plain_depths
from rerank_plugins.evaluation.comparison import Comparison
from rerank_plugins.evaluation.curve import timed_queries
from rerank_plugins.evaluation.fusion_advice import advice
from rerank_plugins.evaluation.judged import FIRST, not_judged
from rerank_plugins.evaluation.lost import best_queries, worst_queries
from rerank_plugins.evaluation.marks import marked
from rerank_plugins.evaluation.measures import change
from rerank_plugins.evaluation.pareto import tradeoffs
from rerank_plugins.evaluation.report import Report
from rerank_plugins.evaluation.templates import template
from rerank_plugins.evaluation.verdict import SIGNIFICANT, overall, verdict


def as_html(report: Report) -> str:
    """Returns the page: the answer, plots, tables, queries that changed most, machine, command.

    Raises:
        MissingExtraError: Jinja or matplotlib is not installed.
    """
    page = template("report.html.jinja")
    from rerank_plugins.evaluation import drawing, plots

    measure = report.comparisons[0].measures[0]
    points = tradeoffs(report.comparisons)
    level = fmean(comparison.first_stage.mean(measure) for comparison in report.comparisons)
    lines = plain_depths(report.curves)
    numbers = {each.name: number for number, each in enumerate(points)}
    html: str = page.render(
        report=report,
        environment=report.environment,
        verdict=overall(report.comparisons),
        measure=measure,
        full=_full(report, measure),
        first=FIRST,
        significant=SIGNIFICANT,
        first_stage=report.comparisons[0].first_stage.name,
        first_stage_quality=level,
        tradeoffs=points,
        tradeoff_plot=plots.tradeoff_plot(points, level, measure) if len(points) > 1 else "",
        colours=[(drawing.colour(n), drawing.colour_on(n)) for n in range(len(points))],
        fusions=[
            {"fusion": each, "advice": advice(each, report.comparisons)} for each in report.fusions
        ],
        time_tables=report.time_tables,
        calibration_tables=report.calibration_tables,
        cascades=report.cascades,
        time_lines=lines,
        time_plot=plots.time_plot(lines, report.cascades, numbers, measure) if lines else "",
        numbers=numbers,
        collections=[
            _collection(report, number, comparison)
            for number, comparison in enumerate(report.comparisons)
        ],
    )
    return html


def _collection(report: Report, number: int, comparison: Comparison) -> dict[str, Any]:
    from rerank_plugins.evaluation import plots

    measure = comparison.measures[0]
    curves = report.curve(number)
    marks = report.marks[number] if report.marks else {}
    from_first = comparison.against_first_scorer(measure)
    return {
        "comparison": comparison,
        "verdict": verdict(comparison),
        "not_judged": not_judged(comparison.collection, comparison.first_stage),
        "curves": curves,
        "curve_plots": plots.curve_plots(curves, measure, f"curve{number}") if curves else {},
        "timed": timed_queries(comparison),
        "scorers": [
            {
                "order": order,
                "change": change(comparison.first_stage.values[measure], order.values[measure]),
                "change_from_first": from_first.get(order.name),
                "latency": order.latency(),
                "plot": plots.change_plot(comparison, order, f"change{number}-{place}"),
                "not_judged": not_judged(comparison.collection, order),
                "won": marked(best_queries(comparison, order), order.scorer, marks),
                "lost": marked(worst_queries(comparison, order), order.scorer, marks),
            }
            for place, order in enumerate(comparison.reranked)
        ],
    }


def _full(report: Report, measure: str) -> float:
    """The value at the end of the first chart's scale: 1, unless a measure exceeds it."""
    orders = (order for c in report.comparisons for order in (c.first_stage, *c.reranked))
    return max(1.0, *(order.mean(measure) for order in orders))
