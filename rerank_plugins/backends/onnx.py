"""The ONNX Runtime backend: no torch, loads in a fraction of a second, fp32 on a CPU."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._model import ModelSettings, locate, read_json
from rerank_plugins._pairs import Tokens
from rerank_plugins.backends import Backend
from rerank_plugins.backends._encoder import EncoderBackend

_BATCH_TOKENS = 2048


def load_onnx(settings: ModelSettings) -> Backend:
    """An ONNX Runtime session over a folder's `model.onnx` behind the backend protocol."""
    folder = locate(settings)
    config = read_json(folder / "config.json")
    names = {int(index): str(name) for index, name in config.get("id2label", {}).items()}
    return EncoderBackend(
        name=settings.model,
        forward=OnnxForward(folder / "model.onnx"),
        tokenizer=(folder / "tokenizer.json").read_text(encoding="utf-8"),
        pad_id=config["pad_token_id"],
        limit=config["max_position_embeddings"],
        columns=len(names) or 1,
        labels=names,
        max_batch_tokens=_BATCH_TOKENS,
    )


class OnnxForward:
    """Token ids -> logits, by a graph that `write_onnx_graph` wrote."""

    def __init__(self, graph: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only: what it could not fuse is not the user's
        self._session = onnxruntime.InferenceSession(
            str(graph), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, tokens: Tokens) -> NDArray[np.float32]:
        """Logits, float32 `(b, columns)`."""
        inputs = {
            "input_ids": tokens.input_ids,
            "attention_mask": tokens.attention_mask,
            "token_type_ids": tokens.token_type_ids,
        }
        logits: NDArray[np.float32] = self._session.run(["logits"], inputs)[0]
        return logits
