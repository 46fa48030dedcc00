"""Mining: the passages that stand beside each question, with the teacher's opinion of all."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rerank_plugins._bm25 import Bm25Search
from rerank_plugins.training.settings import MiningConfig
from rerank_plugins.training.views import Collection

Encoder = Callable[[list[str]], NDArray[np.float32]]

_QUERIES_AT_ONCE = 256

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
class MinedView:
    """The questions of a view and the passages that they share.

    Attributes:
        question_vectors: The teacher's vector of each question, in half precision.
        passage_vectors: The same of each passage.
    """

    passages: list[str]
    questions: list[MinedQuestion]
    labelled: bool
    question_vectors: NDArray[np.float16] = field(compare=False)
    passage_vectors: NDArray[np.float16] = field(compare=False)


def mine(
    collection: Collection,
    encoder: Encoder,
    config: MiningConfig,
    rng: np.random.Generator,
    device: torch.device | None = None,
) -> MinedView:
    """Returns the questions of a collection with their candidates.

    Questions with fewer than two passages are dropped: nothing can be learned from them.

    Args:
        collection: Questions and passages.
        encoder: The teacher: texts to unit vectors.
        config: Which passages stand beside a question.
        rng: Decides those that are drawn.
        device: Where the nearest passages are looked for; the CPU by default.
    """
    passage_vectors = encoder(collection.passages)
    query_vectors = encoder(collection.queries)
    nearest = _nearest(query_vectors, passage_vectors, config.depth, device)
    miner = _Miner(
        collection,
        query_vectors,
        passage_vectors,
        nearest,
        Bm25Search(collection.passages),
        config,
        int(rng.integers(2**63)),
    )
    found = _of_all(miner, len(collection.queries))
    kept = [number for number, question in enumerate(found) if question is not None]
    return MinedView(
        collection.passages,
        [question for question in found if question is not None],
        collection.labelled,
        query_vectors[kept].astype(np.float16),
        passage_vectors.astype(np.float16),
    )


@dataclass(frozen=True)
class _Miner:
    """Finds the candidates of one question after the other."""

    collection: Collection
    query_vectors: NDArray[np.float32]
    passage_vectors: NDArray[np.float32]
    nearest: NDArray[np.int64]
    bm25: Bm25Search
    config: MiningConfig
    seed: int

    def mine(self, number: int) -> MinedQuestion | None:
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
        return [self.mine(number) for number in numbers]

    def _cosines(self, number: int, passages: Sequence[int]) -> list[float]:
        vectors = self.passage_vectors[list(passages)]
        cosines: list[float] = (vectors @ self.query_vectors[number]).tolist()
        return cosines


_miner: list[_Miner] = []
"""What forked processes read: sent to them, it would be copied once a process."""


def _mine_many(numbers: range) -> list[MinedQuestion | None]:
    return _miner[0].mine_many(numbers)


def _of_all(miner: _Miner, count: int) -> list[MinedQuestion | None]:
    """All questions of the miner, by several processes where that pays and forking is safe."""
    processes = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    if count < _PROCESSES_FROM or processes < 3:
        return miner.mine_many(range(count))
    parts = [range(start, min(start + _PART, count)) for start in range(0, count, _PART)]
    _miner.append(miner)
    try:
        with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
            return [question for part in pool.map(_mine_many, parts) for question in part]
    finally:
        _miner.clear()


def is_mined(path: Path) -> bool:
    """Whether ``write_mined`` has written a view there."""
    return path.is_file() and _vectors_of(path).is_file()


def write_mined(path: Path, view: MinedView) -> None:
    """Writes a view as JSON lines, whole or not at all: its passages first, then its questions.

    The vectors lie beside them in a file of the same name that ends in ``.npz``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(_vectors_of(path), questions=view.question_vectors, passages=view.passage_vectors)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as lines:
        head = {"labelled": view.labelled, "passages": view.passages}
        for entry in (head, *map(vars, view.questions)):
            lines.write(json.dumps(entry, ensure_ascii=False) + "\n")
    partial.replace(path)


def read_mined(path: Path) -> MinedView:
    """Returns the view that ``write_mined`` wrote."""
    with path.open(encoding="utf-8") as lines:
        head = json.loads(next(lines))
        questions = [MinedQuestion(**json.loads(line)) for line in lines]
    with np.load(_vectors_of(path)) as vectors:
        return MinedView(
            head["passages"],
            questions,
            head["labelled"],
            vectors["questions"],
            vectors["passages"],
        )


def _vectors_of(path: Path) -> Path:
    return path.with_suffix(".npz")


def _nearest(
    queries: NDArray[np.float32],
    passages: NDArray[np.float32],
    depth: int,
    device: torch.device | None,
) -> NDArray[np.int64]:
    """The numbers of the passages of the highest cosines for each query, best first."""
    place = device or torch.device("cpu")
    held = torch.from_numpy(passages).to(place).T
    found = [
        (asked.to(place) @ held).topk(min(depth, len(passages)), dim=1).indices.cpu()
        for asked in torch.split(torch.from_numpy(queries), _QUERIES_AT_ONCE)
    ]
    return torch.cat(found).numpy() if found else np.zeros((0, 0), dtype=np.int64)


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
