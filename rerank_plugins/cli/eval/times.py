"""`rerank eval --within` and `--budgets`: what a limit on the time per query allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from rerank_plugins.cli.durations import seconds, several_seconds
from rerank_plugins.cli.eval.scorers import Scorers
from rerank_plugins.cli.progress import progress

if TYPE_CHECKING:
    from rerank_plugins.evaluation import BudgetPoint, Comparison, DepthPoint, Times


@dataclass(frozen=True)
class WantedTimes:
    """The times that were asked for, in seconds."""

    within: float | None
    budgets: Sequence[float]


def wanted_times(within: str | None, budgets: str | None, *, curve: bool) -> WantedTimes:
    """Returns the times that were typed.

    Raises:
        InvalidInputError: One of them is no time.
        typer.BadParameter: A time to reach is given without the curve that it is read from.
    """
    if within is not None and not curve:
        message = "--within reads the curve of depths; add --curve."
        raise typer.BadParameter(message)
    return WantedTimes(
        None if within is None else seconds(within, "within"),
        [] if budgets is None else several_seconds(budgets, "budgets"),
    )


def measured_times(
    wanted: WantedTimes,
    comparisons: "Sequence[Comparison]",
    curves: "Sequence[Mapping[str, Sequence[DepthPoint]]]",
    scorers: Scorers,
) -> "Times":
    """Returns what was asked for, measured."""
    from rerank_plugins.evaluation import Times, within

    reached = []
    if wanted.within is not None:
        plans = {name: plan for name, plan in scorers.plans.items() if plan is not None}
        with progress(len(plans), "model", "Within the time") as advance:
            reached = within(
                wanted.within,
                comparisons,
                curves,
                scorers.configurations,
                plans,
                on_scorer=lambda: advance(1),
            )
    points = [_budgets(each, scorers, wanted.budgets) for each in comparisons if wanted.budgets]
    return Times(wanted.within, reached, points)


def _budgets(
    comparison: "Comparison", scorers: Scorers, budgets: Sequence[float]
) -> "dict[str, list[BudgetPoint]]":
    from rerank_plugins.evaluation.budgets import budget_points, budget_steps

    steps = budget_steps(comparison, scorers.rerankers, budgets)
    with progress(steps, "query", f"Budgets {comparison.collection.name}") as advance:
        return budget_points(comparison, scorers.rerankers, budgets, on_query=lambda: advance(1))
