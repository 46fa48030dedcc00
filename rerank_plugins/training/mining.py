"""Mining: the passages that stand beside each question, with the teacher's opinion of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._bm25 import Bm25Search
from rerank_plugins.training.settings import MiningConfig
from rerank_plugins.training.views import Collection

Encoder = Callable[[list[str]], NDArray[np.float32]]

_QUERIES_AT_ONCE = 256


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
    collection: Collection, encoder: Encoder, config: MiningConfig, rng: np.random.Generator
) -> MinedView:
    """Returns the questions of a collection with their candidates.

    Questions with fewer than two passages are dropped: nothing can be learned from them.
    """
    passage_vectors = encoder(collection.passages)
    query_vectors = encoder(collection.queries)
    bm25 = Bm25Search(collection.passages)
    mined = []
    kept = []
    for number, cosines in enumerate(_cosines(query_vectors, passage_vectors)):
        query, golds = collection.queries[number], collection.golds[number]
        lexical = bm25.scores(query)
        lexical = lexical / max(float(lexical.max()), 1e-6)
        positive = max(golds, key=lambda gold, row=cosines: row[gold])  # type: ignore[misc]
        chosen = _choose(set(golds), cosines, lexical, config, rng)
        if collection.labelled:
            chosen = [positive, *(other for other in chosen if other != positive)]
        else:
            chosen = [other for other in chosen if other not in golds]
        if len(chosen) < 2:
            continue
        kept.append(number)
        limit = cosines[positive] - config.margin
        doubtful = [other in golds or bool(cosines[other] > limit) for other in chosen]
        mined.append(
            MinedQuestion(
                query=query,
                passages=chosen,
                cosines=[round(float(cosines[other]), 4) for other in chosen],
                lexical=[round(float(lexical[other]), 4) for other in chosen],
                doubtful=[False, *doubtful[1:]] if collection.labelled else doubtful,
            )
        )
    return MinedView(
        collection.passages,
        mined,
        collection.labelled,
        query_vectors[kept].astype(np.float16),
        passage_vectors.astype(np.float16),
    )


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


def _cosines(
    queries: NDArray[np.float32], passages: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        yield from queries[start : start + _QUERIES_AT_ONCE] @ passages.T


def _choose(
    golds: set[int],
    cosines: NDArray[np.float32],
    lexical: NDArray[np.float32],
    config: MiningConfig,
    rng: np.random.Generator,
) -> list[int]:
    by_cosine = _best(cosines, config.depth)
    by_lexical = [number for number in _best(lexical, config.depth) if lexical[number] > 0]
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
    take(rng.integers(len(cosines), size=4 * config.random).tolist(), config.random)
    return list(chosen)


def _best(scores: NDArray[np.float32], depth: int) -> Sequence[int]:
    """The numbers of the highest scores, best first."""
    depth = min(depth, len(scores))
    top = np.argpartition(-scores, depth - 1)[:depth]
    best: list[int] = top[np.argsort(-scores[top], kind="stable")].tolist()
    return best
