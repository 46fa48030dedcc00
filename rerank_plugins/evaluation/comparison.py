"""Reranking the first stage's candidates with several scorers, and measuring each order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import ir_measures

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.collection import JudgedCollection
from rerank_plugins.evaluation.first_stage import Candidates, bm25_candidates

ScoreFunction = Callable[[str, list[str]], Sequence[float]]
MEASURES = (ir_measures.nDCG @ 10, ir_measures.RR @ 10)


@dataclass(frozen=True)
class Figure:
    """How one scorer orders one collection.

    Attributes:
        ndcg: Mean nDCG@10.
        mrr: Mean reciprocal rank, 0 below rank 10.
        queries: How many queries the means are over.
    """

    collection: str
    scorer: str
    ndcg: float
    mrr: float
    queries: int


def compare(
    collection: JudgedCollection,
    scorers: Mapping[str, ScoreFunction],
    depth: int = 100,
    on_query: Callable[[], None] = lambda: None,
) -> list[Figure]:
    """Returns one figure for the first stage, then one for each scorer.

    Args:
        collection: What to search.
        scorers: Name to ``(query, passages) -> scores``, higher is better.
        depth: How many candidates of the first stage are reranked.
        on_query: Called after each query of each scorer, for a progress bar.
    """
    candidates = bm25_candidates(collection, depth)
    figures = [_measure(collection, "BM25", candidates)]
    for name, score in scorers.items():
        figures.append(_measure(collection, name, rerank(collection, candidates, score, on_query)))
    return figures


def rerank(
    collection: JudgedCollection,
    candidates: Candidates,
    score: ScoreFunction,
    on_query: Callable[[], None] = lambda: None,
) -> Candidates:
    """Returns the candidates with the scorer's scores in place of the first stage's."""
    reranked: Candidates = {}
    for query_id, found in candidates.items():
        ids = list(found)
        scores = (
            score(collection.queries[query_id], [collection.passages[i] for i in ids])
            if ids
            else []
        )
        if len(scores) != len(ids):
            message = (
                f"the scorer returned {len(scores)} scores for {len(ids)} passages; "
                "it must return one for each"
            )
            raise InvalidInputError(message)
        reranked[query_id] = {
            passage_id: float(value) for passage_id, value in zip(ids, scores, strict=True)
        }
        on_query()
    return reranked


def as_table(figures: Iterable[Figure]) -> str:
    """Returns a Markdown table of nDCG@10 times 100: a row a collection, a column a scorer."""
    rows: dict[str, dict[str, Figure]] = {}
    for figure in figures:
        rows.setdefault(figure.collection, {})[figure.scorer] = figure
    scorers = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [
        f"| set | queries | {' | '.join(scorers)} |",
        "|---|---:|" + "---:|" * len(scorers),
    ]
    for name, row in rows.items():
        cells = [f"{100 * row[scorer].ndcg:.1f}" for scorer in scorers]
        lines.append(f"| {name} | {next(iter(row.values())).queries} | {' | '.join(cells)} |")
    means = [100 * sum(row[scorer].ndcg for row in rows.values()) / len(rows) for scorer in scorers]
    lines.append(f"| **mean** | | {' | '.join(f'{mean:.1f}' for mean in means)} |")
    return "\n".join(lines)


def _measure(collection: JudgedCollection, scorer: str, run: Candidates) -> Figure:
    judgements = {
        query_id: dict(collection.judgements[query_id]) for query_id in collection.queries
    }
    values = ir_measures.calc_aggregate(MEASURES, judgements, run)
    ndcg, mrr = (float(values[measure]) for measure in MEASURES)
    return Figure(collection.name, scorer, ndcg, mrr, len(collection.queries))
