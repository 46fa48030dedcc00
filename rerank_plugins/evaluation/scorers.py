"""Scorers to compare: a cross-encoder, and the cosine of a bi-encoder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._extras import require
from rerank_plugins.evaluation.comparison import ScoreFunction
from rerank_plugins.scorer import CrossEncoderScorer


def cross_encoder_scorer(model: str, max_length: int = 384) -> ScoreFunction:
    """Returns a scorer that reads query and passage together.

    Args:
        model: Folder or hub id of a cross-encoder, or ``"embedded"``.
        max_length: Tokens of a pair; what is longer is cut.
    """
    scorer = CrossEncoderScorer(model, max_length=max_length)

    def score(query: str, passages: list[str]) -> list[float]:
        logits: list[float] = scorer.score(query, passages).tolist()
        return logits

    return score


def cosine_scorer(model: str) -> ScoreFunction:
    """Returns a scorer that compares vectors made apart; each passage is encoded once.

    Args:
        model: Folder or hub id of a bi-encoder.
    """
    library = require("sentence_transformers", extra="train", purpose="A bi-encoder")
    encoder = library.SentenceTransformer(model, device="cpu")
    known: dict[str, NDArray[np.float32]] = {}

    def encode(texts: list[str]) -> NDArray[np.float32]:
        vectors = encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def score(query: str, passages: list[str]) -> list[float]:
        new = [passage for passage in dict.fromkeys(passages) if passage not in known]
        if new:
            known.update(zip(new, encode(new), strict=True))
        vector = encode([query])[0]
        return [float(known[passage] @ vector) for passage in passages]

    return score
