"""Negatives: sentence-transformers' `mine_hard_negatives`, over BM25 and over a bi-encoder."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import mine_hard_negatives

from rerank_plugins._bm25 import Bm25Search
from rerank_plugins.fine_tuning.bars import mining_bars
from rerank_plugins.fine_tuning.data import LabelledQuestion, text_key

_QUERIES_AT_ONCE = 256
_CANDIDATES = 4
"""How many times more candidates are mined than negatives are drawn."""
_MARGIN = 0.05
_SAME_WORDS = 0.8


@dataclass(frozen=True)
class TrainingRow:
    """A question, one of its answers, and passages that do not answer it."""

    query: str
    answer: str
    negatives: tuple[str, ...]


class Bm25Encoder:
    """BM25 over word stems behind the methods that `mine_hard_negatives` asks of a bi-encoder.

    The "vector" of a text is its position; the similarity of two is looked up.
    """

    device = torch.device("cpu")

    def encode_document(self, texts: Sequence[str], **_: Any) -> NDArray[np.int64]:
        """Indexes n texts; their positions, `(n,)`."""
        self._index = Bm25Search(texts, stem=True)
        return np.arange(len(texts))

    def encode_query(self, texts: Sequence[str], **_: Any) -> NDArray[np.int64]:
        """Keeps m queries; their positions, `(m,)`."""
        self._queries = list(texts)
        return np.arange(len(texts))

    def similarity(self, queries: NDArray[np.int64], _: Any) -> torch.Tensor:
        """BM25 scores of all texts for m queries, `(m, n)`."""
        return torch.from_numpy(
            np.stack([self._index.scores(self._queries[number]) for number in queries])
        )

    def similarity_pairwise(
        self, queries: NDArray[np.int64], documents: torch.Tensor
    ) -> torch.Tensor:
        """BM25 scores of p pairs, `(p,)`."""
        return torch.tensor(
            [
                float(self._index.scores(self._queries[query])[document])
                for query, document in zip(queries, documents.tolist(), strict=True)
            ]
        )


def mine_rows(
    questions: Sequence[LabelledQuestion],
    passages: Sequence[str],
    *,
    negatives: int,
    bi_encoder: SentenceTransformer | None,
    seed: int,
    progress: bool,
) -> list[TrainingRow]:
    """Returns a row for each answer of each question.

    A question's own negatives come first; what is missing is drawn from the best candidates of
    BM25 and, if there is one, of the bi-encoder. Likely unlabelled answers are left out: those
    that share most of their words with an answer, and those that the bi-encoder finds within 5%
    as near to the question as the answer (TopK-PercPos; Moreira et al. 2024, NV-Retriever).
    Drawn, not the very first: where answers are unlabelled, they are at the top.

    Args:
        questions: What to find negatives for.
        passages: Where to look for them.
        negatives: How many beside an answer; fewer where there are no more.
        bi_encoder: Finds candidates beside BM25.
        seed: Decides what is drawn.
        progress: Let sentence-transformers show its bars on standard error.
    """
    short = [question for question in questions if len(question.negatives) < negatives]
    pools = [_candidates(short, passages, Bm25Encoder(), negatives, progress)] if short else []
    if short and bi_encoder is not None:
        pools.append(
            _candidates(short, passages, bi_encoder, negatives, progress, relative_margin=_MARGIN)
        )
    rng = random.Random(seed)
    rows = []
    for question in questions:
        for answer in question.answers:
            own = list(question.negatives)
            found = {
                text: None for pool in pools for text in pool.get((question.query, answer), ())
            }
            found = {text: None for text in found if not _copies(text, question.answers)}
            fresh = [text for text in found if text not in own]
            drawn = rng.sample(fresh, min(len(fresh), max(0, negatives - len(own))))
            if own or drawn:
                rows.append(TrainingRow(question.query, answer, tuple([*own, *drawn][:negatives])))
    return rows


def _candidates(
    questions: Sequence[LabelledQuestion],
    passages: Sequence[str],
    encoder: Any,
    negatives: int,
    progress: bool,
    relative_margin: float | None = None,
) -> dict[tuple[str, str], list[str]]:
    """The best wrong passages of each question and answer, best first."""
    pairs = [(question.query, answer) for question in questions for answer in question.answers]
    dataset = Dataset.from_dict(
        {"query": [query for query, _ in pairs], "answer": [answer for _, answer in pairs]}
    )
    with mining_bars(progress):
        mined = mine_hard_negatives(
            dataset,
            encoder,
            corpus=list(passages),
            num_negatives=_CANDIDATES * negatives,
            output_format="labeled-list",
            faiss_batch_size=_QUERIES_AT_ONCE,
            verbose=False,
            relative_margin=relative_margin,
        )
    return {(row["query"], row["answer"][0]): row["answer"][1:] for row in mined}


def _copies(text: str, answers: Iterable[str]) -> bool:
    """Whether a text shares most of its words with an answer."""
    words = set(text_key(text).split())
    for answer in answers:
        others = set(text_key(answer).split())
        if len(words & others) >= _SAME_WORDS * len(words | others):
            return True
    return False
