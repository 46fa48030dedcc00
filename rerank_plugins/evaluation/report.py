"""A run's results as JSON, for programs, and as Markdown, for documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from rerank_plugins.evaluation.calibration.measured import (
    Measured,
    calibration_errors,
    calibration_tables,
)
from rerank_plugins.evaluation.cards import CardCheck
from rerank_plugins.evaluation.cascades import CascadePoint, cascade_points
from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.curve import DepthPoint, timed_queries
from rerank_plugins.evaluation.environment import Environment
from rerank_plugins.evaluation.fusion import Fusion
from rerank_plugins.evaluation.fusion_report import fusion_markdown, fusion_values
from rerank_plugins.evaluation.judged import FIRST, not_judged
from rerank_plugins.evaluation.lost import best_queries, worst_queries
from rerank_plugins.evaluation.marks import Marks
from rerank_plugins.evaluation.measures import change, deltas
from rerank_plugins.evaluation.pareto import tradeoffs
from rerank_plugins.evaluation.time_report import (
    Table,
    Times,
    time_markdown,
    time_tables,
    time_values,
)
from rerank_plugins.evaluation.verdict import Verdict, overall, verdict


@dataclass(frozen=True)
class Report:
    """Everything that a run of `rerank eval` measured.

    Attributes:
        comparisons: One per collection, all with the same scorers.
        environment: Where and how it was measured.
        curves: For each comparison, scorer name to points over depth; empty if not asked for.
        memory: Scorer name to peak megabytes, or `None` if unknown.
        card: A model card's figures and ours.
        reused: Scorer name to the number of its answers that come from an earlier run (`--resume`).
        fusions: For each reranker what the first stage's opinion adds to it; empty if not asked.
        times: What a limit on the time per query allows.
        calibrations: How far off the calibration of each reranker is; empty if not asked.
        marks: For each comparison the sentences to mark in the passages that are shown.
    """

    comparisons: Sequence[Comparison]
    environment: Environment
    curves: Sequence[Mapping[str, Sequence[DepthPoint]]] = ()
    memory: Mapping[str, float | None] = field(default_factory=dict)
    card: Sequence[CardCheck] = ()
    reused: Mapping[str, int] = field(default_factory=dict)
    fusions: Sequence[Fusion] = ()
    times: Times = field(default_factory=Times)
    calibrations: Measured = field(default_factory=dict)
    marks: Sequence[Marks] = ()

    @property
    def about_times(self) -> str | None:
        """A warning about comparing latencies, if some were measured by an earlier run."""
        if not self.reused:
            return None
        counts = ", ".join(f"{count} of {name}" for name, count in self.reused.items())
        return (
            f"Times from an earlier run: {counts}. A machine's speed varies: compare latencies "
            "within one run only."
        )

    def curve(self, number: int) -> Mapping[str, Sequence[DepthPoint]]:
        """The curves of a comparison, without the rerankers that have only one point."""
        curves = self.curves[number] if self.curves else {}
        return {name: points for name, points in curves.items() if len(points) > 1}

    @property
    def cascades(self) -> list[CascadePoint]:
        """The rerankers of several stages, beside a single model in the same time."""
        return cascade_points(self.comparisons, self.curves)

    @property
    def calibration_tables(self) -> list[Table]:
        """The tables of calibrations."""
        return calibration_tables(self.calibrations)

    @property
    def time_tables(self) -> list[Table]:
        """The tables of quality and time together."""
        return time_tables(self.times, self.cascades, self.comparisons[0].measures[0])


def as_json(report: Report) -> dict[str, Any]:
    """Returns plain values: means, values and differences per query, tests, latencies, memory."""
    return {
        "verdict": _verdict(overall(report.comparisons)),
        "environment": asdict(report.environment),
        "collections": [
            _collection(report, number, comparison)
            for number, comparison in enumerate(report.comparisons)
        ],
        "fusion": [fusion_values(each, report.comparisons) for each in report.fusions],
        **time_values(report.times, report.cascades),
        "calibration": calibration_errors(report.calibrations),
        "tradeoffs": [asdict(each) for each in tradeoffs(report.comparisons)],
        "peak_megabytes": dict(report.memory),
        "answers_of_an_earlier_run": dict(report.reused),
        "card": [{**asdict(check), "percent_off": check.percent_off} for check in report.card],
    }


def as_markdown(report: Report) -> str:
    """Returns the verdict, a table of the first measure with one row per collection, and notes."""
    comparisons = report.comparisons
    several = len(comparisons) > 1
    notes = [
        f"{comparison.collection.name}: {note}" if several else note
        for comparison in comparisons
        for note in comparison.notes
    ]
    notes += [report.about_times] if report.about_times else []
    parts = [overall(comparisons).text, _table(comparisons), "\n".join(f"- {n}" for n in notes)]
    parts += [fusion_markdown(report.fusions, comparisons)] if report.fusions else []
    parts += time_markdown([*report.time_tables, *report.calibration_tables])
    return "\n\n".join(filter(None, parts))


def _table(comparisons: Sequence[Comparison]) -> str:
    """The first measure times 100, one row per collection and one of the means."""
    columns = [comparisons[0].first_stage.name, *(o.name for o in comparisons[0].reranked)]
    rows = [
        [100 * order.mean(c.measures[0]) for order in (c.first_stage, *c.reranked)]
        for c in comparisons
    ]
    lines = [
        f"| set | queries | {' | '.join(columns)} |",
        "|---|---:|" + "---:|" * len(columns),
    ]
    for comparison, row in zip(comparisons, rows, strict=True):
        collection = comparison.collection
        cells = " | ".join(f"{value:.1f}" for value in row)
        lines.append(f"| {collection.name} | {len(collection.queries)} | {cells} |")
    if len(rows) > 1:
        means = " | ".join(f"{fmean(column):.1f}" for column in zip(*rows, strict=True))
        lines.append(f"| **mean** | | {means} |")
    return "\n".join(lines)


def _collection(report: Report, number: int, comparison: Comparison) -> dict[str, Any]:
    curves = report.curve(number)
    budgets = report.times.budgets[number] if report.times.budgets else {}
    before = comparison.first_stage.values
    against = {name: comparison.against_first_scorer(name) for name in before}
    return {
        "collection": comparison.collection.name,
        "verdict": _verdict(verdict(comparison)),
        "queries": len(comparison.collection.queries),
        "identical_queries": len(comparison.collection.identical),
        "identical_queries_kept": comparison.collection.keep_identical,
        "depth": comparison.depth,
        "recall_ceiling": comparison.ceiling,
        "queries_without_candidates": comparison.unanswered,
        "curve_timed_queries": timed_queries(comparison) if curves else 0,
        "first_stage": _order(comparison, comparison.first_stage),
        "reranked": [
            {
                **_order(comparison, order),
                "cut": _cut(order),
                "change": {
                    name: asdict(change(before[name], order.values[name])) for name in before
                },
                "change_from_first_scorer": {
                    name: asdict(changes[order.name])
                    for name, changes in against.items()
                    if order.name in changes
                },
                "change_by_query": {
                    name: deltas(before[name], order.values[name]) for name in before
                },
                "worst_queries": [asdict(each) for each in worst_queries(comparison, order)],
                "best_queries": [asdict(each) for each in best_queries(comparison, order)],
                "latency_seconds": asdict(order.latency()),
                "pairs_per_stage": list(order.pairs_per_stage),
                "curve": [asdict(point) for point in curves.get(order.name, [])],
                "time_budgets": [asdict(point) for point in budgets.get(order.name, [])],
            }
            for order in comparison.reranked
        ],
    }


def _verdict(found: Verdict) -> dict[str, str]:
    return {"answer": found.answer, "text": found.text}


def _cut(order: Order) -> dict[str, Any] | None:
    if order.cut is None:
        return None
    return {"passages": order.cut, "of": order.read_last, "share": order.cut_share}


def _order(comparison: Comparison, order: Order) -> dict[str, Any]:
    return {
        "name": order.name,
        f"not_judged_of_first_{FIRST}": not_judged(comparison.collection, order),
        "means": {name: order.mean(name) for name in order.values},
        "equal_scores": order.ties,
        "by_query": {name: dict(values) for name, values in order.values.items()},
    }
