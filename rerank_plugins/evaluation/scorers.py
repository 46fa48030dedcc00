"""Scorers to compare: a cross-encoder, and the cosine of a bi-encoder."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.evaluation.configurations import machine_identity
from rerank_plugins.retrieval.bi_encoder import load_bi_encoder


class TextEncoder:
    """A bi-encoder: n texts to float32 `(n, d)` vectors of length 1.

    Queries and passages get the prompts that were saved with the model.

    Args:
        model: Folder or hub id of a sentence-transformers model.
        device: Where it runs; `None` lets the library choose.
        local_files_only: Whether the hub is never asked.

    Raises:
        InvalidInputError: The model cannot be loaded.
        MissingExtraError: sentence-transformers is not installed.
    """

    def __init__(
        self, model: str, *, device: str | None = None, local_files_only: bool = False
    ) -> None:
        self._model = load_bi_encoder(model, device=device, local_files_only=local_files_only)
        self._known: dict[str, NDArray[np.float32]] = {}

    def queries(self, texts: list[str]) -> NDArray[np.float32]:
        """The vectors of queries, encoded at each call."""
        vectors = self._model.encode_query(
            texts, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def passages(self, texts: list[str]) -> NDArray[np.float32]:
        """The vectors of passages; each text is encoded only once."""
        known = self._known
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            vectors = self._model.encode_document(
                new, normalize_embeddings=True, show_progress_bar=False
            )
            known.update(zip(new, np.asarray(vectors, dtype=np.float32), strict=True))
        return np.stack([known[text] for text in texts])

    def identity(self) -> str:
        """Everything that affects vectors and times: weights, prompts, packages, processor."""
        digest = hashlib.sha256(f"{self._model} {self._model.prompts}".encode())
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.cpu().float().numpy().tobytes())
        return json.dumps([digest.hexdigest(), str(self._model.device), machine_identity()])


class CosineScorer:
    """A bi-encoder as a scorer; only the query is timed, as if passages came from an index.

    Args:
        encoder: Encodes queries and passages.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder

    def prepare(self, passages: list[str]) -> None:
        """Encodes the passages; `timed_answer` calls this before it starts the clock."""
        self._encoder.passages(passages)

    def __call__(self, query: str, passages: list[str]) -> list[float]:
        """The cosine of the query and each passage."""
        vector = self._encoder.queries([query])[0]
        cosines: list[float] = (self._encoder.passages(passages) @ vector).tolist()
        return cosines
