"""The teacher: bi-encoders, of which the base is one."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from embedded_model.questions.mining import Encoder
from rerank_plugins.backends.half_precision import pays

_KEPT_AT_ONCE = 2048


class BiEncoder:
    """A bi-encoder's vectors of length 1, in half precision where that pays.

    Queries and passages get the prompts that were saved with the model. It is loaded when it is
    first asked.

    Args:
        folder: A sentence-transformers model.
        device: Where it computes.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._folder = folder
        self._device = device
        self._model: SentenceTransformer | None = None

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of queries, `(texts, width)`."""
        return self._encode("query", texts)

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of passages, `(texts, width)`."""
        return self._encode("document", texts)

    def _encode(self, kind: str, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._model is None:
            number = torch.float16 if self._device.type != "cpu" else torch.float32
            if self._device.type == "cpu" and pays("bfloat16"):
                number = torch.bfloat16
            self._model = SentenceTransformer(
                str(self._folder),
                device=str(self._device),
                local_files_only=True,
                model_kwargs={"dtype": number},
            )
        encode = self._model.encode_query if kind == "query" else self._model.encode_document
        vectors = encode(
            list(texts),
            batch_size=64 if self._device.type == "cpu" else 1024,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)


class KeptVectors:
    """An encoder whose vectors are kept in a file, in half precision.

    A deep bi-encoder takes hours on a CPU, and the views of a recipe share most of their passages.

    Args:
        encoder: Asked for what the file does not hold.
        path: The file; made if it is not there. It belongs to this one encoder.
    """

    def __init__(self, encoder: Encoder, path: Path) -> None:
        self._encoder = encoder
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path)
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB)"
        )

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of queries, `(texts, width)`."""
        return self._vectors("query", texts)

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of passages, `(texts, width)`."""
        return self._vectors("passage", texts)

    def _vectors(self, kind: str, texts: Sequence[str]) -> NDArray[np.float32]:
        keys = [hashlib.sha256(f"{kind} {text}".encode()).digest() for text in texts]
        held = {key: self._read(key) for key in keys}
        new = [place for place, key in enumerate(keys) if held[key] is None]
        new.sort(key=lambda place: len(texts[place]))  # batches of one length
        ask = self._encoder.queries if kind == "query" else self._encoder.passages
        for start in range(0, len(new), _KEPT_AT_ONCE):
            part = new[start : start + _KEPT_AT_ONCE]
            found = ask([texts[place] for place in part]).astype(np.float16)
            rows = [
                (keys[place], vector.tobytes()) for place, vector in zip(part, found, strict=True)
            ]
            with self._file:
                self._file.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            held.update(rows)
        vectors = [np.frombuffer(held[key] or b"", np.float16) for key in keys]
        return np.stack(vectors).astype(np.float32)

    def _read(self, key: bytes) -> bytes | None:
        row = self._file.execute("SELECT vector FROM vectors WHERE text = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])


class SummedEncoders:
    """Several encoders as one, whose cosine is the weighted mean of theirs.

    The vectors are laid end to end, each times the root of its encoder's share of the weights, so
    the product of two of them is that mean.

    Args:
        encoders: Each with its weight, which is above 0.
    """

    def __init__(self, encoders: Sequence[tuple[Encoder, float]]) -> None:
        whole = sum(weight for _, weight in encoders)
        self._encoders = [(encoder, (weight / whole) ** 0.5) for encoder, weight in encoders]

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of queries, `(texts, sum of widths)`."""
        return np.hstack([root * encoder.queries(texts) for encoder, root in self._encoders])

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of passages, `(texts, sum of widths)`."""
        return np.hstack([root * encoder.passages(texts) for encoder, root in self._encoders])


def teacher_of(
    base: Path, others: Mapping[str, float], device: torch.device, kept: Mapping[str, Path]
) -> Encoder:
    """Returns the encoder that a recipe names.

    Args:
        base: The base's folder.
        others: Folders of further bi-encoders, with the weight of their cosine; the base's is 1.
        device: Where they compute.
        kept: For each of `others` the file that keeps its vectors.
    """
    first = BiEncoder(base, device)
    if not others:
        return first
    further = [
        (KeptVectors(BiEncoder(Path(folder), device), kept[folder]), weight)
        for folder, weight in others.items()
    ]
    return SummedEncoders([(first, 1.0), *further])
