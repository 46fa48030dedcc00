"""Scorers to compare: a cross-encoder, and the cosine of a bi-encoder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._contract import Scorer
from rerank_plugins._extras import require
from rerank_plugins.evaluation.comparison import ScoreFunction
from rerank_plugins.evaluation.first_stage import Encoder
from rerank_plugins.scorer import CrossEncoderScorer


def cross_encoder_scorer(model: str, max_length: int | None = None) -> ScoreFunction:
    """Returns a scorer that reads query and passage together.

    Args:
        model: Folder or hub id of a cross-encoder, or ``"embedded"``.
        max_length: Tokens of a pair; what is longer is cut. ``None``: what the model reads.
    """
    return scorer_function(CrossEncoderScorer(model, max_length=max_length))


def scorer_function(scorer: Scorer) -> ScoreFunction:
    """Returns what ``compare`` calls, for any scorer."""

    def score(query: str, passages: list[str]) -> list[float]:
        logits: list[float] = scorer.score(query, passages).tolist()
        return logits

    return score


def text_encoder(model: str) -> Encoder:
    """Returns the encoder of a bi-encoder: texts to vectors of length 1, each text once.

    Args:
        model: Folder or hub id of a sentence-transformers model.
    """
    library = require("sentence_transformers", extra="train", purpose="A bi-encoder")
    encoder = library.SentenceTransformer(model, device="cpu")
    known: dict[str, NDArray[np.float32]] = {}

    def encode(texts: list[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            vectors = encoder.encode(new, normalize_embeddings=True, show_progress_bar=False)
            known.update(zip(new, np.asarray(vectors, dtype=np.float32), strict=True))
        return np.stack([known[text] for text in texts])

    return encode


def cosine_scorer(encoder: Encoder) -> ScoreFunction:
    """Returns a scorer that compares vectors made apart."""

    def score(query: str, passages: list[str]) -> list[float]:
        cosines: list[float] = (encoder(passages) @ encoder([query])[0]).tolist()
        return cosines

    return score
