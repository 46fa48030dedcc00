"""Training a cross-encoder: the recipe behind the embedded model, and adapting it to a domain."""

from rerank_plugins._extras import require

for _module in ("torch", "sentence_transformers", "bm25s", "onnx"):
    require(_module, extra="train", purpose="Training")

from rerank_plugins.training.config import TrainingConfig  # noqa: E402
from rerank_plugins.training.development import DevelopmentFigures  # noqa: E402
from rerank_plugins.training.loop import TrainingResult, train  # noqa: E402
from rerank_plugins.training.settings import (  # noqa: E402
    LoopConfig,
    MiningConfig,
    ViewConfig,
)

__all__ = [
    "DevelopmentFigures",
    "LoopConfig",
    "MiningConfig",
    "TrainingConfig",
    "TrainingResult",
    "ViewConfig",
    "train",
]
