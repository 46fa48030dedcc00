"""The first stage whose order a reranker is asked to improve: BM25."""

from __future__ import annotations

import bm25s
import numpy as np

from rerank_plugins._extras import require
from rerank_plugins.evaluation.collection import JudgedCollection

Candidates = dict[str, dict[str, float]]


def bm25_candidates(collection: JudgedCollection, depth: int = 100) -> Candidates:
    """Returns the top ``depth`` passages of each query, best first, with their BM25 scores.

    k1 is 0.9 and b is 0.4, the usual setting for passages; texts are lower-cased, English stop
    words dropped and the others stemmed: BM25 as strong as people run it. Passages that share no
    word with the query are not candidates.
    """
    ids = list(collection.passages)
    index = bm25s.BM25(k1=0.9, b=0.4)
    tokens = _tokenize(list(collection.passages.values()))
    index.index(tokens, show_progress=False)
    known = index.vocab_dict
    candidates: Candidates = {}
    for query_id, words in zip(
        collection.queries, _tokenize(list(collection.queries.values())), strict=True
    ):
        shared = [word for word in words if word in known]
        scores = index.get_scores(shared) if shared else np.zeros(len(ids))
        best = np.argsort(-scores, kind="stable")[:depth]
        candidates[query_id] = {
            ids[number]: float(scores[number]) for number in best if scores[number] > 0
        }
    return candidates


def _tokenize(texts: list[str]) -> list[list[str]]:
    stemmer = require("Stemmer", extra="train", purpose="Evaluation").Stemmer("english")
    tokens: list[list[str]] = bm25s.tokenize(
        texts,
        stopwords="en",
        stemmer=stemmer,
        return_ids=False,
        show_progress=False,
    )
    return tokens
