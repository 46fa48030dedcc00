"""The models of the GPU section: each with every way of scoring, and a bigger model."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder
from transformers import BertConfig, BertForSequenceClassification

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.models.references import EMBEDDED_FOLDER

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Model:
    """One model, loaded in each precision by this project and by sentence-transformers.

    Attributes:
        title: Its name in the report.
        ours: This project's scorers by precision.
        stock: The `CrossEncoder` objects by precision.
    """

    title: str
    ours: dict[str, CrossEncoderScorer]
    stock: dict[str, CrossEncoder]

    def score(self, precision: str, pairs: Pairs) -> NDArray[np.float32]:
        """Returns this project's logits."""
        return self.ours[precision].submit(pairs).result().logits

    def predict(self, precision: str, pairs: Pairs, batch_size: int) -> NDArray[np.float32]:
        """Returns the logits of `CrossEncoder.predict`."""
        scores = self.stock[precision].predict(
            pairs,
            batch_size=batch_size,
            activation_fn=torch.nn.Identity(),
            show_progress_bar=False,
        )
        return np.asarray(scores, dtype=np.float32)


@contextmanager
def loaded(title: str, folder: Path, precisions: Sequence[str], device: str) -> Iterator[Model]:
    """Loads a model for every way of scoring, and frees it afterwards."""
    with ExitStack() as stack:
        ours = {
            precision: stack.enter_context(
                CrossEncoderScorer(folder, backend="torch", device=device, precision=precision)
            )
            for precision in precisions
        }
        for scorer in ours.values():
            scorer.warm_up()
        stock = {
            precision: CrossEncoder(
                str(folder), device=device, model_kwargs={"dtype": DTYPES[precision]}
            )
            for precision in precisions
        }
        yield Model(title, ours, stock)


def save_random_base(folder: Path, device: str, **sizes: int) -> Path:
    """Saves a BERT base cross-encoder with random weights and the embedded model's tokenizer."""
    torch.manual_seed(0)
    words = BertConfig.from_pretrained(EMBEDDED_FOLDER).vocab_size
    with torch.device(device):
        model = BertForSequenceClassification(BertConfig(vocab_size=words, num_labels=1, **sizes))
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(EMBEDDED_FOLDER / name, folder)
    return folder


def operations(config: Any, lengths: Sequence[int]) -> float:
    """Operations in matrix products for pairs of these lengths; the last layer takes one token."""
    width, inner, body = config.hidden_size, config.intermediate_size, config.num_hidden_layers - 1
    whole = 2 * (4 * width * width + 2 * width * inner)
    tokens, squares = float(np.sum(lengths)), float(np.sum(np.square(lengths)))
    return body * (whole * tokens + 4 * width * squares) + whole * len(lengths)
