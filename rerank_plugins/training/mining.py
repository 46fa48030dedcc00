"""Mining: the passages that stand beside each labelled one, with the teacher's opinion of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._bm25 import Bm25Search
from rerank_plugins.training.config import MiningConfig
from rerank_plugins.training.views import Collection

Encoder = Callable[[list[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class MinedQuestion:
    """A question, its passages, and what the two first stages think of them.

    Attributes:
        passages: Texts; the labelled one comes first.
        cosines: The bi-encoder's cosine for each passage.
        lexical: BM25's score for each passage as a share of the question's best.
    """

    query: str
    passages: list[str]
    cosines: list[float]
    lexical: list[float]


def mine(
    collection: Collection, encoder: Encoder, config: MiningConfig, rng: np.random.Generator
) -> list[MinedQuestion]:
    """Returns the questions of a collection with their candidates.

    Questions left with no candidate at all are dropped: nothing can be learned from them.
    """
    passage_vectors = encoder(collection.passages)
    query_vectors = encoder(collection.queries)
    bm25 = Bm25Search(collection.passages)
    mined = []
    for query, golds, vector in zip(
        collection.queries, collection.golds, query_vectors, strict=True
    ):
        cosines = passage_vectors @ vector
        lexical = bm25.scores(query)
        lexical = lexical / max(float(lexical.max()), 1e-6)
        positive = max(golds, key=lambda gold: cosines[gold])
        chosen = _choose(positive, set(golds), cosines, lexical, config, rng)
        if chosen:
            kept = [positive, *chosen]
            mined.append(
                MinedQuestion(
                    query=query,
                    passages=[collection.passages[number] for number in kept],
                    cosines=[round(float(cosines[number]), 4) for number in kept],
                    lexical=[round(float(lexical[number]), 4) for number in kept],
                )
            )
    return mined


def write_mined(path: Path, questions: Iterable[MinedQuestion]) -> None:
    """Writes questions as JSON lines, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as lines:
        for question in questions:
            lines.write(json.dumps(asdict(question), ensure_ascii=False) + "\n")
    partial.replace(path)


def read_mined(path: Path) -> list[MinedQuestion]:
    """Returns the questions that ``write_mined`` wrote."""
    with path.open(encoding="utf-8") as lines:
        return [MinedQuestion(**json.loads(line)) for line in lines]


def _choose(
    positive: int,
    golds: set[int],
    cosines: NDArray[np.float32],
    lexical: NDArray[np.float32],
    config: MiningConfig,
    rng: np.random.Generator,
) -> list[int]:
    ceiling = cosines[positive] - config.margin
    by_cosine = np.argsort(-cosines, kind="stable")[: config.depth]
    by_lexical = np.argsort(-lexical, kind="stable")[: config.depth]
    seen = set(golds)
    chosen: list[int] = []

    def take(numbers: Iterable[int], limit: int) -> None:
        for number in numbers:
            if limit <= 0:
                return
            if number not in seen and cosines[number] <= ceiling:
                seen.add(number)
                chosen.append(number)
                limit -= 1

    interleaved = np.stack([by_lexical, by_cosine], axis=1).ravel()
    take(interleaved.tolist(), config.hard)
    take(rng.permutation(by_lexical).tolist(), config.middle)
    take(rng.permutation(len(cosines))[: 4 * config.random].tolist(), config.random)
    return chosen
