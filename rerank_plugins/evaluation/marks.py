"""The sentences that answer, of the passages that the report shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from rerank_plugins.evaluation.comparison import Comparison
from rerank_plugins.evaluation.lost import (
    JudgedPassage,
    QueryChange,
    best_queries,
    worst_queries,
)
from rerank_plugins.reranker import Reranker
from rerank_plugins.texts.passage import Passage

Marks: TypeAlias = Mapping[tuple[str, str, str], tuple[int, int]]
"""Scorer, query id and passage id to the first and last character of the best sentence."""


def found_marks(comparison: Comparison, rerankers: Mapping[str, Reranker]) -> Marks:
    """The best sentences, as each reranker finds them, of the passages that are shown for it.

    Args:
        comparison: The comparison.
        rerankers: The rerankers whose scores its orders are made of, by name; those without one are
            left out.
    """
    marks = {}
    for order in comparison.reranked:
        if order.scorer not in rerankers:
            continue
        for change in (*best_queries(comparison, order), *worst_queries(comparison, order)):
            for passage in (change.first_before, change.first_after):
                if passage is None:
                    continue
                found = _best_sentence(rerankers[order.scorer], change.query, passage.text)
                if found is not None:
                    marks[order.scorer, change.query_id, passage.passage_id] = found
    return marks


def marked(changes: Iterable[QueryChange], scorer: str, marks: Marks) -> list[QueryChange]:
    """The queries with the best sentences of their passages, as a scorer finds them."""

    def with_mark(query_id: str, passage: JudgedPassage | None) -> JudgedPassage | None:
        if passage is None:
            return None
        return replace(passage, mark=marks.get((scorer, query_id, passage.passage_id)))

    return [
        replace(
            change,
            first_before=with_mark(change.query_id, change.first_before),
            first_after=with_mark(change.query_id, change.first_after),
        )
        for change in changes
    ]


def _best_sentence(reranker: Reranker, query: str, text: str) -> tuple[int, int] | None:
    ranking = reranker.rank(query, [text], spans=True, score_threshold=None)
    if not ranking or not ranking[0].spans:
        return None
    span, header = ranking[0].spans[0], len(Passage.of(text).header)
    return header + span.start, header + span.end
