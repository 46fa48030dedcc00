"""First stages, whose order a reranker should improve: BM25, embeddings, both, or a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.collection import JudgedCollection
from rerank_plugins.formats.passages import shown_id
from rerank_plugins.formats.trec_scores import trec_order
from rerank_plugins.messages.spelling import option
from rerank_plugins.retrieval.bm25 import WORDS, Bm25Search

Candidates = dict[str, dict[str, float]]
"""Query id -> passage id -> the first stage's score, best first."""

Encoder = Callable[[list[str]], NDArray[np.float32]]
"""n texts to float32 `(n, d)` vectors of length 1."""

Step = Callable[[int], object]
"""Called with the number of items just finished, for a progress bar."""

_QUERIES_AT_ONCE = 256
_PASSAGES_AT_ONCE = 1024
_RRF_CONSTANT = 60


def bm25_candidates(
    collection: JudgedCollection, depth: int = 100, *, on_step: Step = lambda done: None
) -> Candidates:
    """Returns the top `depth` passages of each query, best first, with their BM25 scores.

    Words are stemmed, as in a well-tuned BM25. Passages that share no word with the query are not
    candidates.

    Args:
        collection: The collection to search.
        depth: The number of candidates per query.
        on_step: Called with the number of queries just answered.

    Raises:
        InvalidInputError: The passages have no words, or none of several queries shares one.
    """
    ids, texts = _listed(collection)
    bm25 = Bm25Search(texts, stem=True)
    candidates: Candidates = {}
    for query_id, query in collection.queries.items():
        hits = ((ids[hit.index], hit.score) for hit in bm25.search(query, depth + 1))
        candidates[query_id] = collection.candidates(query_id, hits, depth)
        on_step(1)
    if not any(candidates.values()) and bm25.is_lost(collection.queries.values()):
        message = (
            f"BM25 finds nothing for any of the {len(candidates)} queries of {collection.name}: "
            f"{WORDS}. Choose another first stage: dense with {option('bi_encoder')}, judged, or "
            f"{option('run')} with the results of your own search."
        )
        raise InvalidInputError(message)
    return candidates


def dense_candidates(
    collection: JudgedCollection,
    encoder: Encoder,
    depth: int = 100,
    *,
    query_encoder: Encoder | None = None,
    on_step: Step = lambda done: None,
) -> Candidates:
    """Returns the `depth` passages with the highest cosine for each query, best first.

    Args:
        collection: The collection to search.
        encoder: Encodes the passages.
        depth: The number of candidates per query.
        query_encoder: Encodes the queries; `None` takes `encoder`.
        on_step: Called with the number of passages just encoded.
    """
    ids, texts = _listed(collection)
    parts = []
    for start in range(0, len(texts), _PASSAGES_AT_ONCE):
        parts.append(encoder(texts[start : start + _PASSAGES_AT_ONCE]))
        on_step(len(parts[-1]))
    vectors = np.concatenate(parts)
    query_ids = list(collection.queries)
    encode_queries = query_encoder or encoder
    candidates: Candidates = {}
    for start in range(0, len(query_ids), _QUERIES_AT_ONCE):
        part = query_ids[start : start + _QUERIES_AT_ONCE]
        cosines = encode_queries([collection.queries[name] for name in part]) @ vectors.T
        best = np.argsort(-cosines, axis=1, kind="stable")[:, : depth + 1]
        for query_id, row, found in zip(part, cosines, best, strict=True):
            hits = ((ids[number], float(row[number])) for number in found)
            candidates[query_id] = collection.candidates(query_id, hits, depth)
    return candidates


def fused_candidates(runs: Sequence[Candidates], depth: int = 100) -> Candidates:
    """Returns the runs fused by reciprocal rank (Cormack, Clarke and Buettcher, SIGIR 2009).

    A passage's score is the sum over the runs of 1 / (60 + its rank there); equal scores keep the
    order of the first run.
    """
    fused: Candidates = {}
    for query_id in runs[0]:
        scores: dict[str, float] = {}
        for run in runs:
            for rank, passage_id in enumerate(run[query_id], start=1):
                scores[passage_id] = scores.get(passage_id, 0.0) + 1 / (_RRF_CONSTANT + rank)
        best = sorted(scores, key=lambda passage_id: -scores[passage_id])[:depth]
        fused[query_id] = {passage_id: scores[passage_id] for passage_id in best}
    return fused


def judged_candidates(collection: JudgedCollection) -> Candidates:
    """Returns the judged passages of each query, relevant or not, in an arbitrary order.

    This suits collections that also judge passages as not relevant. All scores are 0. A hash of the
    ids decides the places, because ids often reveal which passages are relevant.

    Raises:
        InvalidInputError: No query has a judged passage that is not relevant.
    """
    judged = {query_id: collection.judgements[query_id] for query_id in collection.queries}
    if all(relevance > 0 for passages in judged.values() for relevance in passages.values()):
        message = (
            f"{collection.name} judges no passage as not relevant, so there is nothing to tell "
            "apart; choose another first stage, for example bm25."
        )
        raise InvalidInputError(message)
    found: Candidates = {}
    for query_id, passages in judged.items():
        names = drawn_order(query_id, [name for name in passages if name in collection.passages])
        found[query_id] = collection.candidates(query_id, dict.fromkeys(names, 0.0).items())
    return found


def given_candidates(
    collection: JudgedCollection, run: Mapping[str, Mapping[str, float]], depth: int = 100
) -> Candidates:
    """Returns the top `depth` of your own run for the collection's queries.

    It is read as trec_eval reads it: scores in single precision, equal ones by falling id.

    Raises:
        InvalidInputError: The run has none of the queries, or passages that the collection lacks.
    """
    if not set(run) & set(collection.queries):
        message = (
            f"the run has no query of {collection.name}; check that the ids match: a query's is "
            f"for example {shown_id(collection.queries)}, in the run {shown_id(run)}."
        )
        raise InvalidInputError(message)
    candidates: Candidates = {}
    for query_id in collection.queries:
        scores = run.get(query_id, {})
        check_passages(collection, query_id, scores)
        candidates[query_id] = collection.candidates(query_id, trec_order(scores).items(), depth)
    return candidates


def check_passages(collection: JudgedCollection, query_id: str, found: Iterable[str]) -> None:
    """Checks the ids of a query's candidates.

    Raises:
        InvalidInputError: The collection lacks one of them.
    """
    unknown = next((name for name in found if name not in collection.passages), None)
    if unknown is not None:
        message = (
            f"the run names passage {unknown!r} for query {query_id!r}, and {collection.name} has "
            f"no such passage, but for example {shown_id(collection.passages)}; give the corpus "
            "that was searched."
        )
        raise InvalidInputError(message)


def _listed(collection: JudgedCollection) -> tuple[list[str], list[str]]:
    """Ids and texts of all passages, read only once because they may be on disk."""
    ids, texts = [], []
    for passage_id, text in collection.passages.items():
        ids.append(passage_id)
        texts.append(text)
    return ids, texts


def drawn_order(query_id: str, passage_ids: Iterable[str]) -> list[str]:
    """Returns ids in an order that is arbitrary but always the same: by a hash of them."""
    return sorted(passage_ids, key=partial(_draw, query_id))


def _draw(query_id: str, passage_id: str) -> bytes:
    return sha256(f"{query_id}\0{passage_id}".encode("utf-8", "surrogatepass")).digest()
