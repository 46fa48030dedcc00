"""The teacher: the base as a bi-encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from embedded_model.questions.mining import Encoder
from rerank_plugins.backends.half_precision import pays


def base_encoder(base: Path, device: torch.device) -> Encoder:
    """Returns texts to unit vectors by the base, which is loaded when it is first asked."""
    model: list[SentenceTransformer] = []

    def encode(texts: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        if not model:
            kind = torch.float16 if device.type != "cpu" else torch.float32
            if device.type == "cpu" and pays("bfloat16"):
                kind = torch.bfloat16
            model.append(
                SentenceTransformer(
                    str(base),
                    device=str(device),
                    local_files_only=True,
                    model_kwargs={"dtype": kind},
                )
            )
        vectors = model[0].encode(
            texts,
            batch_size=64 if device.type == "cpu" else 1024,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)

    return encode
