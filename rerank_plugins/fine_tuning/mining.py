"""Mines negatives: wrong passages close to a question, found by BM25 and by a bi-encoder."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tqdm import tqdm

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.fine_tuning.data import LabelledQuestion, text_key
from rerank_plugins.messages.spelling import option
from rerank_plugins.retrieval.bm25 import WORDS, Bm25Search

_QUERIES_AT_ONCE = 256
_CANDIDATES = 4
"""Candidates mined per negative drawn."""
_MARGIN = 0.05
_SAME_WORDS = 0.8


@dataclass(frozen=True)
class TrainingRow:
    """A question, one of its answers, and passages that do not answer it."""

    query: str
    answer: str
    negatives: tuple[str, ...]


class Bm25Encoder:
    """BM25 over word stems, with the methods of a bi-encoder that mining calls.

    The "vector" of a text is its position, and similarities are BM25 scores.
    """

    def encode_document(self, texts: Sequence[str], **_: Any) -> NDArray[np.int64]:
        """Indexes n texts and returns their positions, `(n,)`."""
        self._index = Bm25Search(texts, stem=True)
        return np.arange(len(texts))

    def encode_query(self, texts: Sequence[str], **_: Any) -> NDArray[np.int64]:
        """Stores m queries and returns their positions, `(m,)`."""
        self._queries = list(texts)
        return np.arange(len(texts))

    def is_lost(self) -> bool:
        """Whether BM25 can find nothing for any query; see `Bm25Search.is_lost`."""
        return self._index.is_lost(self._queries)

    def similarity(self, queries: NDArray[np.int64], _: Any) -> torch.Tensor:
        """BM25 scores of all texts for m queries, `(m, n)`."""
        return torch.from_numpy(
            np.stack([self._index.scores(self._queries[number]) for number in queries])
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
    """Returns one row per answer of each question.

    A question's own negatives come first. Missing ones are drawn from the best candidates of BM25
    and, if there is one, of the bi-encoder. Passages that are probably unlabelled answers are left
    out: a passage that shares most of its words with an answer, and a passage that the bi-encoder
    finds at least 95% as similar to the question as the answer (TopK-PercPos; Moreira et al. 2024,
    NV-Retriever). Negatives are drawn at random rather than from the top, because unlabelled
    answers rank at the top.

    Args:
        questions: The questions to find negatives for.
        passages: The passages to search.
        negatives: Negatives per answer; fewer if there are no more.
        bi_encoder: Finds candidates in addition to BM25.
        seed: Seed of the draw.
        progress: Show progress bars on standard error.

    Raises:
        InvalidInputError: Negatives are missing, no question shares a word with any passage, and
            there is no bi-encoder.
    """
    short = [question for question in questions if len(question.negatives) < negatives]
    pools = _lexical_pools(short, passages, negatives, progress) if short else []
    if short and bi_encoder is None and not pools:
        message = (
            f"BM25 finds nothing for any question, so no negatives can be mined: {WORDS}. Give "
            f"{option('bi_encoder')}, or negatives of your own."
        )
        raise InvalidInputError(message)
    if short and bi_encoder is not None:
        pools.append(
            near_passages(short, passages, bi_encoder, negatives, progress, relative_margin=_MARGIN)
        )
    rng = random.Random(seed)
    rows = []
    for question in questions:
        for answer in question.answers:
            own = list(question.negatives)
            found = {text: None for pool in pools for text in pool.get(question.query, ())}
            found = {text: None for text in found if not _copies(text, question.answers)}
            fresh = [text for text in found if text not in own]
            drawn = rng.sample(fresh, min(len(fresh), max(0, negatives - len(own))))
            if own or drawn:
                rows.append(TrainingRow(question.query, answer, tuple([*own, *drawn][:negatives])))
    return rows


def _lexical_pools(
    questions: Sequence[LabelledQuestion], passages: Sequence[str], negatives: int, progress: bool
) -> list[dict[str, list[str]]]:
    """BM25's candidates as one pool, or no pool if BM25 can find nothing for any question."""
    encoder = Bm25Encoder()
    found = near_passages(questions, passages, encoder, negatives, progress)
    return [] if any(found.values()) and encoder.is_lost() else [found]


def near_passages(
    questions: Sequence[LabelledQuestion],
    passages: Sequence[str],
    encoder: Any,
    negatives: int,
    progress: bool,
    relative_margin: float | None = None,
) -> dict[str, list[str]]:
    """Returns the best wrong passages of each question, best first.

    Finds the same passages as sentence-transformers' `mine_hard_negatives`, which always draws
    progress bars and is not used for that reason.

    Args:
        questions: n questions, at least one.
        passages: The passages to search, in addition to the answers.
        encoder: A bi-encoder, or an object with its methods.
        negatives: Negatives that the caller will draw per answer; several times as many candidates
            are returned.
        progress: Show a progress bar on standard error.
        relative_margin: Leave out passages more similar to the question than its least similar
            answer minus this share.
    """
    answers = [answer for question in questions for answer in question.answers]
    corpus = list(dict.fromkeys([*passages, *answers]))
    place_of = {text: place for place, text in enumerate(corpus)}
    options = {"normalize_embeddings": True, "show_progress_bar": progress}
    documents = torch.as_tensor(encoder.encode_document(corpus, **options))
    queries = encoder.encode_query([question.query for question in questions], **options)
    wanted = _CANDIDATES * negatives
    most = max(len(question.answers) for question in questions)
    depth = (wanted if relative_margin is None else 10 * wanted) + most
    found = {}
    with tqdm(
        total=len(questions), unit="query", desc="mining negatives", disable=not progress
    ) as bar:
        for start in range(0, len(questions), _QUERIES_AT_ONCE):
            part = questions[start : start + _QUERIES_AT_ONCE]
            vectors = queries[start : start + _QUERIES_AT_ONCE]
            similarity = encoder.similarity(vectors, documents)
            scores, places = torch.topk(similarity, min(depth + most, len(corpus)))
            for row, question in enumerate(part):
                own = torch.tensor([place_of[answer] for answer in question.answers])
                scores[row, torch.isin(places[row], own)] = -torch.inf
                if relative_margin is not None:
                    pairs = vectors[[row] * len(own)], documents[own]
                    least = encoder.similarity_pairwise(*pairs).min()
                    scores[row, scores[row] > least - least.abs() * relative_margin] = -torch.inf
            best, order = torch.topk(scores, min(depth, scores.shape[1]))
            near = places.gather(1, order)[:, :wanted].tolist()
            kept = (best > -torch.inf)[:, :wanted].tolist()
            for question, row_near, row_kept in zip(part, near, kept, strict=True):
                found[question.query] = [corpus[place] for place in compress(row_near, row_kept)]
            bar.update(len(part))
    return found


def _copies(text: str, answers: Iterable[str]) -> bool:
    """Whether a text shares most of its words with an answer."""
    words = set(text_key(text).split())
    for answer in answers:
        others = set(text_key(answer).split())
        if len(words & others) >= _SAME_WORDS * len(words | others):
            return True
    return False
