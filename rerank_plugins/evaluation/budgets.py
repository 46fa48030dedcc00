"""Quality and depth within time budgets: what a limit on the time per query costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from rerank_plugins.evaluation.comparison import Comparison
from rerank_plugins.evaluation.first_stage import Candidates
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.evaluation.rankings import whole_order
from rerank_plugins.reranker import Reranker


@dataclass(frozen=True)
class BudgetPoint:
    """A reranker within one time budget, over the queries of a collection that have candidates.

    Attributes:
        time_budget: Seconds per query; `None` for as long as it takes.
        quality: Mean of the comparison's first measure over all queries. Passages without a score
            stand behind the others.
        mean_scored: The mean number of passages per query that the last model scored.
        median_scored: The median of that.
        complete: The share of the queries for which everything was scored in time.
        seconds: The median time per query.
        quality_share: The quality as a share of that without a budget; `None` if that is 0.
        time_share: The time of all queries as a share of that without a budget.
    """

    time_budget: float | None
    quality: float
    mean_scored: float
    median_scored: float
    complete: float
    seconds: float
    quality_share: float | None
    time_share: float


@dataclass(slots=True)
class _Measured:
    """What one reranker did within one budget, query by query."""

    run: Candidates
    scored: list[int]
    complete: list[bool]
    seconds: list[float]


def budget_points(
    comparison: Comparison,
    rerankers: Mapping[str, Reranker],
    budgets: Sequence[float],
    *,
    on_query: Callable[[], object] = lambda: None,
) -> dict[str, list[BudgetPoint]]:
    """Returns each reranker's points: first without a budget, then with each budget.

    All are measured anew and take turns query by query, so a slow spell of the machine affects all
    of them.

    Args:
        comparison: The comparison, for the candidates, the judgements and the first measure.
        rerankers: Rerankers by name, with their models loaded.
        budgets: Seconds per query.
        on_query: Called after each query of each reranker within each budget, `budget_steps` times.
    """
    tries = [(name, budget) for budget in (None, *budgets) for name in rerankers]
    measured = {each: _Measured({}, [], [], []) for each in tries}
    collection = comparison.collection
    for query_id, candidates in _asked(comparison).items():
        ids = list(candidates)
        passages = [collection.passages[passage_id] for passage_id in ids]
        for name, budget in tries:
            start = time.perf_counter()
            ranking = rerankers[name].rank(
                collection.queries[query_id],
                passages,
                top_k=None,
                score_threshold=None,
                scale="logit",
                time_budget=budget,
            )
            found = measured[name, budget]
            found.seconds.append(time.perf_counter() - start)
            found.run[query_id] = dict(zip(ids, whole_order(ranking, len(ids)), strict=True))
            found.scored.append(len(ranking))
            found.complete.append(ranking.complete)
            on_query()
        tries.append(tries.pop(0))
    return {
        name: [
            _point(comparison, budget, measured[name, budget], measured[name, None])
            for budget in (None, *budgets)
        ]
        for name in rerankers
    }


def budget_steps(
    comparison: Comparison, rerankers: Mapping[str, Reranker], budgets: Sequence[float]
) -> int:
    """The number of rankings that `budget_points` asks for."""
    return len(_asked(comparison)) * len(rerankers) * (1 + len(budgets))


def _asked(comparison: Comparison) -> Candidates:
    return {query_id: ids for query_id, ids in comparison.first_stage.run.items() if ids}


def _point(
    comparison: Comparison, budget: float | None, found: _Measured, full: _Measured
) -> BudgetPoint:
    quality = _quality(comparison, found.run)
    without = quality if found is full else _quality(comparison, full.run)
    return BudgetPoint(
        time_budget=budget,
        quality=quality,
        mean_scored=fmean(found.scored or [0]),
        median_scored=median(found.scored or [0]),
        complete=fmean(found.complete or [True]),
        seconds=median(found.seconds or [0.0]),
        quality_share=quality / without if without else None,
        time_share=sum(found.seconds) / sum(full.seconds) if full.seconds else 1.0,
    )


def _quality(comparison: Comparison, run: Candidates) -> float:
    name = comparison.measures[0]
    return fmean(measure(comparison.judged, run, [name])[name].values())
