"""The candidates of each question, by several processes where that pays."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from embedded_model.questions.views import Collection
from embedded_model.recipe.settings import MiningConfig
from rerank_plugins.process.quota import processors
from rerank_plugins.retrieval.bm25 import Bm25Search

_PROCESSES_FROM = 5000
"""Questions from which on several processes pay."""

_PART = 500
"""Questions that a process mines at a time."""


@dataclass(frozen=True)
class MinedQuestion:
    """A question, its passages, and what the two first stages think of them.

    Attributes:
        passages: Numbers of passages in the view's list; where there is a label, the labelled one
            comes first.
        cosines: The bi-encoder's cosine for each passage.
        lexical: BM25's score for each passage as a share of the question's best.
        doubtful: Whether a passage may answer too: it holds a part of what was labelled, or the
            bi-encoder likes it about as much. The label is not held against it.
    """

    query: str
    passages: list[int]
    cosines: list[float]
    lexical: list[float]
    doubtful: list[bool]


@dataclass(frozen=True)
class Miner:
    """Finds the candidates of one question after the other.

    Attributes:
        collection: The questions and passages.
        query_vectors: The teacher's, `(questions, width)`.
        passage_vectors: The teacher's, `(passages, width)`.
        nearest: The numbers of the passages of the highest cosines, best first.
        bm25: Over the passages.
        config: Which passages stand beside a question.
        seed: Decides those that are drawn.
    """

    collection: Collection
    query_vectors: NDArray[np.float32]
    passage_vectors: NDArray[np.float32]
    nearest: NDArray[np.int64]
    bm25: Bm25Search
    config: MiningConfig
    seed: int

    def mine(self, number: int) -> MinedQuestion | None:
        """The question of that number, or None where there is nothing to tell it from."""
        query, golds = self.collection.queries[number], self.collection.golds[number]
        lexical = self.bm25.scores(query)
        lexical = lexical / max(float(lexical.max()), 1e-6)
        rng = np.random.default_rng((self.seed, number))
        by_cosine = self.nearest[number].tolist()
        chosen = _choose(set(golds), by_cosine, lexical, self.config, rng)
        cosines = dict(zip(golds, self._cosines(number, golds), strict=True))
        positive = max(golds, key=cosines.__getitem__)
        if self.collection.labelled:
            chosen = [positive, *(other for other in chosen if other != positive)]
        else:
            chosen = [other for other in chosen if other not in golds]
        if len(chosen) < 2:
            return None
        found = self._cosines(number, chosen)
        limit = cosines[positive] - self.config.margin
        pairs = zip(chosen, found, strict=True)
        doubtful = [other in cosines or cosine > limit for other, cosine in pairs]
        return MinedQuestion(
            query=query,
            passages=chosen,
            cosines=[round(cosine, 4) for cosine in found],
            lexical=[round(float(lexical[other]), 4) for other in chosen],
            doubtful=[False, *doubtful[1:]] if self.collection.labelled else doubtful,
        )

    def mine_many(self, numbers: range) -> list[MinedQuestion | None]:
        """The questions of these numbers."""
        return [self.mine(number) for number in numbers]

    def _cosines(self, number: int, passages: Sequence[int]) -> list[float]:
        vectors = self.passage_vectors[list(passages)]
        cosines: list[float] = (vectors @ self.query_vectors[number]).tolist()
        return cosines


_miner: list[Miner] = []
"""What forked processes read: sent to them, it would be copied once a process."""


def _mine_many(numbers: range) -> list[MinedQuestion | None]:
    return _miner[0].mine_many(numbers)


def mine_all(miner: Miner, count: int) -> list[MinedQuestion | None]:
    """All questions of the miner, by several processes where that pays and forking is safe."""
    processes = processors() if sys.platform == "linux" else 1
    if count < _PROCESSES_FROM or processes < 3:
        return miner.mine_many(range(count))
    parts = [range(start, min(start + _PART, count)) for start in range(0, count, _PART)]
    _miner.append(miner)
    try:
        with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
            return [question for part in pool.map(_mine_many, parts) for question in part]
    finally:
        _miner.clear()


def _choose(
    golds: set[int],
    by_cosine: Sequence[int],
    lexical: NDArray[np.float32],
    config: MiningConfig,
    rng: np.random.Generator,
) -> list[int]:
    by_lexical = _best(lexical, config.depth)
    chosen: dict[int, None] = {}

    def take(numbers: Iterable[int], limit: int) -> None:
        for number in numbers:
            if limit <= 0:
                return
            if number not in chosen:
                chosen[number] = None
                limit -= number not in golds

    take(by_cosine, config.nearest)
    take(by_lexical, config.lexical)
    rest = np.array([*by_cosine, *by_lexical], dtype=np.int64)
    take(rng.permutation(rest).tolist(), config.middle)
    take(rng.integers(len(lexical), size=4 * config.random).tolist(), config.random)
    return list(chosen)


def _best(scores: NDArray[np.float32], depth: int) -> list[int]:
    """The numbers of the highest scores above 0, best first."""
    found = np.flatnonzero(scores)
    if len(found) > depth:
        found = found[np.argpartition(-scores[found], depth - 1)[:depth]]
    best: list[int] = found[np.argsort(-scores[found], kind="stable")].tolist()
    return best
