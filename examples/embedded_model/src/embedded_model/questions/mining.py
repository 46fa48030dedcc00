"""Mining: the passages that stand beside each question, with the teacher's opinion of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from embedded_model.questions.candidates import MinedQuestion, Miner, mine_all
from embedded_model.questions.views import Collection
from embedded_model.recipe.settings import MiningConfig
from rerank_plugins.retrieval.bm25 import Bm25Search

_QUERIES_AT_ONCE = 256


class Encoder(Protocol):
    """A teacher: texts to vectors of length 1."""

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of queries, `(texts, width)`."""

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of passages, `(texts, width)`."""


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
        encoder: The teacher.
        config: Which passages stand beside a question.
        rng: Decides those that are drawn.
        device: Where the nearest passages are looked for; the CPU by default.
    """
    passage_vectors = encoder.passages(collection.passages)
    query_vectors = encoder.queries(collection.queries)
    nearest = _nearest(query_vectors, passage_vectors, config.depth, device)
    miner = Miner(
        collection,
        query_vectors,
        passage_vectors,
        nearest,
        Bm25Search(collection.passages),
        config,
        int(rng.integers(2**63)),
    )
    found = mine_all(miner, len(collection.queries))
    kept = [number for number, question in enumerate(found) if question is not None]
    return MinedView(
        collection.passages,
        [question for question in found if question is not None],
        collection.labelled,
        query_vectors[kept].astype(np.float16),
        passage_vectors.astype(np.float16),
    )


def is_mined(path: Path) -> bool:
    """Whether `write_mined` has written a view there."""
    return path.is_file() and _vectors_of(path).is_file()


def write_mined(path: Path, view: MinedView) -> None:
    """Writes a view as JSON lines, whole or not at all: its passages first, then its questions.

    The vectors lie beside them in a file of the same name that ends in `.npz`.
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
    """Returns the view that `write_mined` wrote."""
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
