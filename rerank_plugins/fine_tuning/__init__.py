"""Fine-tuning: adapts a cross-encoder to a user's own questions and passages.

In: questions and passages that answer them. Out: a model folder, measured before and after. A
public door; needs the extra `train`.
"""

from rerank_plugins.process.extras import require

for _module in ("torch", "datasets", "accelerate", "sentence_transformers", "bm25s", "Stemmer"):
    require(_module, extra="train", purpose="Fine-tuning")

from rerank_plugins.fine_tuning.data import (  # noqa: E402
    LabelledQuestion,
    TrainingData,
    read_training_data,
)
from rerank_plugins.fine_tuning.measuring import HeldOutFigures  # noqa: E402
from rerank_plugins.fine_tuning.options import MINIMUM_QUESTIONS, FineTuningOptions  # noqa: E402
from rerank_plugins.fine_tuning.result import DataSizes, FineTuningResult  # noqa: E402
from rerank_plugins.fine_tuning.run import fine_tune  # noqa: E402
from rerank_plugins.fine_tuning.trainer import TrainingFigures  # noqa: E402

__all__ = [
    "MINIMUM_QUESTIONS",
    "DataSizes",
    "FineTuningOptions",
    "FineTuningResult",
    "HeldOutFigures",
    "LabelledQuestion",
    "TrainingData",
    "TrainingFigures",
    "fine_tune",
    "read_training_data",
]
