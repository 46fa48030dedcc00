"""Quality, time and first-stage recall at several depths, to choose how deep to rerank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.first_stage import Candidates
from rerank_plugins.evaluation.measures import measure, recall_name
from rerank_plugins.evaluation.timing import Ask, ScoreFunction, timed_answer

DEPTHS = (10, 20, 30, 50, 100, 200)
TIMED_QUERIES = 20


@dataclass(frozen=True)
class DepthPoint:
    """Results of reranking the first `depth` candidates; the others stay below in their order.

    Attributes:
        depth: The number of candidates per query that are reranked.
        quality: Mean of the comparison's first measure.
        recall: The share of relevant passages among these candidates: the ceiling of any reranker.
        seconds: The median measured time to score them; 0 at depth 0, the first stage alone.
    """

    depth: int
    quality: float
    recall: float
    seconds: float


def depth_curves(
    comparison: Comparison,
    scorers: Mapping[str, ScoreFunction],
    *,
    depths: Sequence[int] = DEPTHS,
    ask: Ask = timed_answer,
    on_query: Callable[[], object] = lambda: None,
) -> dict[str, list[DepthPoint]]:
    """Returns each scorer's points at depth 0, each depth below the comparison's, and the latter.

    Quality is computed from the comparison's scores. Time is measured again at each depth, on the
    first queries that have candidates; the scorers take turns. A reranker with a cascade, fusion or
    a time budget has one point, the comparison's depth: of fewer candidates it would make another
    order.

    Args:
        comparison: The comparison.
        scorers: Name to scorer, as in the comparison.
        depths: Depths; those beyond the comparison's are left out.
        ask: Calls a scorer.
        on_query: Called after each query of each scorer at each depth, `curve_steps` times.
    """
    kept = _kept(comparison, depths)
    tries = _tries(comparison, kept)
    times: dict[tuple[int, str], list[float]] = {each: [] for each in tries}
    collection, found = comparison.collection, comparison.first_stage.run
    for query_id in _timed(comparison):
        passages = [collection.passages[passage_id] for passage_id in found[query_id]]
        for depth, name in tries:
            answer = ask(name, scorers[name], collection.queries[query_id], passages[:depth])
            times[depth, name].append(answer.seconds)
            on_query()
    recalls = _recalls(comparison, kept)
    return {
        order.name: [
            DepthPoint(
                depth,
                _quality(comparison, order, depth),
                recalls.get(depth, 0.0),
                median(times.get((depth, order.name)) or [0.0]),
            )
            for depth in (kept[-1:] if order.read else [0, *kept])
        ]
        for order in comparison.reranked
    }


def timed_queries(comparison: Comparison) -> int:
    """The number of queries that `depth_curves` times: the first ones with candidates."""
    return len(_timed(comparison))


def curve_steps(comparison: Comparison, depths: Sequence[int] = DEPTHS) -> int:
    """The number of answers that `depth_curves` asks for."""
    return len(_tries(comparison, _kept(comparison, depths))) * len(_timed(comparison))


def _tries(comparison: Comparison, kept: Sequence[int]) -> list[tuple[int, str]]:
    """Each depth with the names of the scorers that are timed at it."""
    return [
        (depth, order.name)
        for depth in kept
        for order in comparison.reranked
        if depth == kept[-1] or not order.read
    ]


def _kept(comparison: Comparison, depths: Sequence[int]) -> list[int]:
    below = {depth for depth in depths if depth < comparison.depth}
    return sorted({*below, comparison.depth})


def _timed(comparison: Comparison) -> list[str]:
    found = comparison.first_stage.run
    return [query_id for query_id, ids in found.items() if ids][:TIMED_QUERIES]


def _recalls(comparison: Comparison, depths: Sequence[int]) -> dict[int, float]:
    names = {depth: recall_name(depth) for depth in depths}
    values = measure(comparison.judged, comparison.first_stage.run, list(names.values()))
    return {depth: fmean(values[name].values()) for depth, name in names.items()}


def _quality(comparison: Comparison, order: Order, depth: int) -> float:
    name = comparison.measures[0]
    run = _reranked(comparison.first_stage.run, order.run, depth)
    return fmean(measure(comparison.judged, run, [name])[name].values())


def _reranked(found: Candidates, scores: Candidates, depth: int) -> Candidates:
    """The first `depth` candidates in the scorer's order, then the others in first-stage order."""
    run: Candidates = {}
    for query_id, candidates in found.items():
        ids = list(candidates)
        top = sorted(ids[:depth], key=lambda passage_id: -scores[query_id][passage_id])
        places = [*top, *ids[depth:]]
        run[query_id] = {passage_id: float(-place) for place, passage_id in enumerate(places)}
    return run
