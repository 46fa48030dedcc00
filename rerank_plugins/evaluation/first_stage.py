"""The first stage whose order a reranker is asked to improve: BM25."""

from __future__ import annotations

from rerank_plugins._bm25 import Bm25Search
from rerank_plugins.evaluation.collection import JudgedCollection

Candidates = dict[str, dict[str, float]]


def bm25_candidates(collection: JudgedCollection, depth: int = 100) -> Candidates:
    """Returns the top ``depth`` passages of each query, best first, with their BM25 scores.

    Words are stemmed: BM25 as strong as people run it. Passages that share no word with the query
    are not candidates.
    """
    ids = list(collection.passages)
    bm25 = Bm25Search(list(collection.passages.values()), stem=True)
    return {
        query_id: {ids[hit.index]: hit.score for hit in bm25.search(query, depth)}
        for query_id, query in collection.queries.items()
    }
