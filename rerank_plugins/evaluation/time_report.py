"""What was measured about quality and time together: its tables, as JSON, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from rerank_plugins.evaluation.budgets import BudgetPoint
from rerank_plugins.evaluation.cascades import CascadePoint
from rerank_plugins.evaluation.measures import mean_name
from rerank_plugins.evaluation.verdict import duration
from rerank_plugins.evaluation.within import LENGTHS, Reach, Within


@dataclass(frozen=True)
class Times:
    """What a limit on the time per query allows.

    Attributes:
        seconds: The time of `within`; `None` if it was not asked for.
        within: What each cross-encoder can read in it.
        budgets: For each collection the points of each reranker; empty if not asked for.
    """

    seconds: float | None = None
    within: Sequence[Within] = ()
    budgets: Sequence[Mapping[str, Sequence[BudgetPoint]]] = ()


@dataclass(frozen=True)
class Table:
    """A table for any output: the columns, the first of which names the rows, and the rows."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    about: str


def time_tables(times: Times, cascades: Sequence[CascadePoint], measure: str) -> list[Table]:
    """Returns the tables that there are.

    Args:
        times: The measured times.
        cascades: The rerankers of several stages.
        measure: The first measure.
    """
    tables = [_of_cascades(cascades, measure)] if cascades else []
    if times.seconds is not None:
        tables.append(_of_within(times.within, times.seconds))
    if times.budgets:
        tables.append(_of_budgets(times.budgets, measure))
    return tables


def time_values(times: Times, cascades: Sequence[CascadePoint]) -> dict[str, Any]:
    """Returns plain values; the points of time budgets are with their collections."""
    return {
        "cascades": [asdict(each) for each in cascades],
        "within": None
        if times.seconds is None
        else {"seconds": times.seconds, "scorers": [asdict(each) for each in times.within]},
    }


def time_markdown(tables: Sequence[Table]) -> list[str]:
    """Returns each table, with what it means."""
    parts = []
    for table in tables:
        lines = [f"| {' | '.join(cells)} |" for cells in (table.head, *table.rows)]
        lines.insert(1, f"|---|{'---:|' * (len(table.head) - 1)}")
        parts += ["\n".join(lines), table.about]
    return parts


def _of_cascades(cascades: Sequence[CascadePoint], measure: str) -> Table:
    head = ["cascade", f"{mean_name(measure)} x 100", "pairs", "time", "one model in that time"]
    rows = [
        [
            point.name,
            f"{100 * point.quality:.1f}",
            " > ".join(f"{count:.0f}" for count in point.read),
            duration(point.seconds),
            _rival(point),
        ]
        for point in cascades
    ]
    return Table(
        head,
        rows,
        "Pairs: how many candidates of a query each model reads. One model in that time: the "
        "single model that is best if it reads only as many candidates as it can in the time of "
        "the cascade (with --curve).",
    )


def _rival(point: CascadePoint) -> str:
    rival = point.rival
    if rival is None:
        return "not measured"
    return f"{100 * rival.quality:.1f} ({rival.name}, {rival.depth} pairs)"


def _of_within(found: Sequence[Within], seconds: float) -> Table:
    head = [
        f"pairs in {duration(seconds)}",
        *("run by", "own candidates"),
        *(f"of {length} tokens" for length in LENGTHS),
    ]
    rows = [
        [
            each.name,
            f"{each.backend} {each.precision}",
            _reached(_middle(list(each.own.values()))),
            *map(_reached, each.by_length.values()),
        ]
        for each in found
    ]
    return Table(
        head,
        rows,
        "Own candidates: those of the collections, by the times of the curve, the median of "
        f"several collections; {_lengths(found)}. Tokens: of query and passage together.",
    )


def _middle(reaches: Sequence[Reach]) -> Reach:
    return Reach(round(median(r.pairs for r in reaches)), any(r.is_least for r in reaches))


def _lengths(found: Sequence[Within]) -> str:
    words = sorted(count for each in found[:1] for count in each.words.values())
    if not words:
        return "nothing was measured"
    between = str(words[0]) if words[0] == words[-1] else f"{words[0]} to {words[-1]}"
    return f"half of these have up to {between} words"


def _reached(reach: Reach | None) -> str:
    if reach is None:
        return "too long"
    return f"{reach.pairs} or more" if reach.is_least else str(reach.pairs)


def _of_budgets(budgets: Sequence[Mapping[str, Sequence[BudgetPoint]]], measure: str) -> Table:
    head = [
        "time budget",
        f"{mean_name(measure)} x 100",
        *("of quality", "worst set", "scored (median)", "time", "of time"),
    ]
    rows = []
    for name in budgets[0]:
        columns = list(zip(*(points[name] for points in budgets), strict=True))
        full = fmean(point.quality for point in columns[0])
        rows += [_budget_row(name, points, full) for points in columns]
    return Table(
        head,
        rows,
        "Of quality, of time: as a share of what no limit gives; worst set: the lowest share of "
        "quality of a collection. Scored: passages per query that the last model scored in time, "
        "the mean (and the median). Passages without a score stand behind the others.",
    )


def _budget_row(name: str, points: Sequence[BudgetPoint], full: float) -> list[str]:
    """The cells of a reranker within one budget, over the collections."""
    budget = points[0].time_budget
    quality = fmean(point.quality for point in points)
    shares = [point.quality_share for point in points if point.quality_share is not None]
    return [
        f"{name}: {'none' if budget is None else duration(budget)}",
        f"{100 * quality:.1f}",
        f"{100 * quality / full:.1f}%" if full else "",
        f"{100 * min(shares):.1f}%" if shares else "",
        f"{fmean(point.mean_scored for point in points):.1f} "
        f"({fmean(point.median_scored for point in points):g})",
        duration(fmean(point.seconds for point in points)),
        f"{fmean(point.time_share for point in points):.0%}",
    ]
