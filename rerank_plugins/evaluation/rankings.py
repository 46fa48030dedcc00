"""A reranker with fusion, a cascade or a time budget as a function that gives scores."""

from __future__ import annotations

from collections.abc import Sequence

from rerank_plugins.evaluation.timing import ScoreFunction, StageScores
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import RankedList, falling_scores


def ranking_function(reranker: Reranker) -> ScoreFunction:
    """Returns a reranker as the function that `compare` calls.

    Its `top_k`, its threshold and its scale do not apply: orders are measured whole. Passages that
    a time budget left without a score, and behind them those that a cascade did not keep, stand
    last, in the order in which they came.
    """

    def score(query: str, passages: list[str]) -> StageScores:
        ranking = reranker.rank(query, passages, top_k=None, score_threshold=None, scale="logit")
        return StageScores(whole_order(ranking, len(passages)), ranking.read, _cut(ranking))

    return score


def whole_order(ranking: RankedList, count: int) -> list[float]:
    """Returns one score per passage, in their order; passages without one get falling ones.

    Args:
        ranking: The ranking, with no limit of passages and no threshold.
        count: The number of passages that were given to be ranked.
    """
    scores = falling_scores(ranking, _unscored(ranking, count))
    return [scores[index] for index in range(count)]


def _cut(ranking: RankedList) -> int | None:
    """How many of the passages in it the last model read only in part; `None` if not known."""
    cut = [ranked.truncated for ranked in ranking]
    return None if None in cut else cut.count(True)


def _unscored(ranking: RankedList, count: int) -> Sequence[int]:
    """The passages that the last model did not score, those that it was to score first."""
    met = {*(ranked.index for ranked in ranking), *ranking.unscored}
    return [*ranking.unscored, *(index for index in range(count) if index not in met)]
