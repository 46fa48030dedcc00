"""fastembed's cross-encoder, with a custom model."""

from pathlib import Path
from typing import Any

from benchmarks.peers.workers._serve import Worker, serve

NAME = "local/embedded"


class FastembedWorker(Worker):
    """The weights are a folder with model.onnx and the tokenizer."""

    def __init__(self, weights: Path) -> None:
        """Loads the peer."""
        from fastembed.common.model_description import ModelSource
        from fastembed.rerank.cross_encoder import TextCrossEncoder

        TextCrossEncoder.add_custom_model(
            model=NAME, sources=ModelSource(hf=NAME), model_file="model.onnx"
        )
        self._model = TextCrossEncoder(NAME, specific_model_path=str(weights))

    def rank(self, *prepared: Any) -> Any:
        """`rerank`."""
        return list(self._model.rerank(*prepared))


if __name__ == "__main__":
    serve(FastembedWorker)
