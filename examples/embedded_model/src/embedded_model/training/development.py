"""The development figure: how well held-out questions find their passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertForSequenceClassification, PreTrainedTokenizerBase

from embedded_model.models.chunks import pair_tokenizer, sorted_chunks
from embedded_model.models.student import first_token_logits
from embedded_model.questions.loading import Question


@dataclass(frozen=True)
class DevelopmentFigures:
    """Mean reciprocal rank of the labelled passage among the mined ones, over held-out questions.

    Attributes:
        student: By the model in training.
        cosine: By the bi-encoder it is taught by.
        lexical: By BM25.
        agreement: Of the model in training with its teacher: Pearson's correlation of logits and
            cosines over a question's passages, mean over questions.
        questions: How many questions the means are over.
    """

    student: float
    cosine: float
    lexical: float
    agreement: float
    questions: int


def measure(
    student: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    max_length: int,
    chunk_tokens: int,
) -> DevelopmentFigures:
    """Returns the figures over `questions`."""
    pairs = [
        (question.mined.query, question.texts[number])
        for question in questions
        for number in question.mined.passages
    ]
    scores = score_pairs(student, tokenizer, pairs, max_length, chunk_tokens)
    found: dict[str, list[float]] = {"student": [], "cosine": [], "lexical": [], "agreement": []}
    start = 0
    for question in questions:
        end = start + len(question.mined.passages)
        logits = scores[start:end]
        cosines = np.asarray(question.mined.cosines, dtype=np.float32)
        lexical = np.asarray(question.mined.lexical, dtype=np.float32)
        found["student"].append(_reciprocal_rank(logits))
        found["cosine"].append(_reciprocal_rank(cosines))
        found["lexical"].append(_reciprocal_rank(lexical))
        found["agreement"].append(_correlation(logits, cosines))
        start = end
    means = {name: float(np.mean(values)) if values else 0.0 for name, values in found.items()}
    return DevelopmentFigures(**means, questions=len(questions))


@torch.inference_mode()
def score_pairs(
    student: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    max_length: int,
    chunk_tokens: int,
) -> NDArray[np.float32]:
    """Returns the logit of each pair, in the order given."""
    scores = np.zeros(len(pairs), dtype=np.float32)
    if not pairs:
        return scores
    tokens = pair_tokenizer(tokenizer, max_length).encode(pairs)
    for positions, inputs in sorted_chunks(tokens, chunk_tokens):
        scores[positions] = first_token_logits(student, inputs).cpu().numpy()
    return scores


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Returns Pearson's correlation; 0 where either does not vary."""
    one, other = one - one.mean(), other - other.mean()
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size else 0.0


def _reciprocal_rank(scores: NDArray[np.float32]) -> float:
    """Returns the labelled (first) passage's reciprocal rank, a tie counted against it."""
    return 1.0 / (1 + int((scores[1:] >= scores[0]).sum()))
