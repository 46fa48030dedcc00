"""Random weights with which a model tells texts apart, and the logits that it should give.

A model as transformers initialises it gives every pair nearly the same logit, so that a comparison
of two runs of it sees little. Here products keep the size of what goes into them, and logits of
different pairs spread by one.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder
from torch import nn

from tests.trained_tokenizers import random_words

Pairs = Sequence[tuple[str, str]]


def _drawn_pairs() -> list[tuple[str, str]]:
    draw = random.Random(11)

    def text(words: int) -> str:
        return " ".join(random_words(draw, words))

    sizes = [(1, 1), (2, 3), (3, 1), (4, 6), (2, 9), (5, 12), (8, 4), (3, 20), (12, 9), (4, 80)]
    return [
        ("", ""),
        *((text(query), text(passage)) for query, passage in sizes),
        (text(60), "sea"),
    ]


PAIRS: Pairs = _drawn_pairs()
"""From no words to more than the tiny models read; the query is the longer one at times."""


def draw_wide(model: CrossEncoder) -> None:
    """Draws all weights, and scales the last layer so that the logits of `PAIRS` spread by one."""
    with torch.no_grad():
        for module in model.modules():
            for name, parameter in module.named_parameters(recurse=False):
                _draw(module, name, parameter)
        linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
        (last,) = (module for module in linear if module.out_features == model.num_labels)
        last.weight /= logits_of(model, PAIRS).std(axis=0).mean()


def _draw(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
    if isinstance(module, nn.Embedding):
        parameter.normal_(std=1.0)
    elif parameter.dim() == 1:
        parameter.normal_(mean=float(name == "weight"), std=0.2)  # a norm's weight, or a bias
    else:
        parameter.normal_(std=1.2 * parameter[0].numel() ** -0.5)


def logits_of(model: CrossEncoder, pairs: Pairs, *, batch_size: int = 1) -> NDArray[np.float64]:
    """What the model says, as `(pairs, columns)` with every digit that it computes."""
    scores = model.predict(
        list(pairs),
        batch_size=batch_size,
        activation_fn=nn.Identity(),
        convert_to_tensor=True,
    )
    return scores.reshape(len(pairs), -1).cpu().numpy().astype(np.float64)


def reference(
    folder: Path,
    pairs: Pairs = PAIRS,
    *,
    dtype: torch.dtype = torch.float32,
    max_length: int | None = None,
) -> NDArray[np.float64]:
    """`CrossEncoder.predict` of each pair alone; with `torch.float64`, the sum that both round."""
    model = CrossEncoder(
        str(folder),
        device="cpu",
        max_length=max_length,
        model_kwargs={"dtype": torch.float32},
    )
    return logits_of(model.to(dtype), pairs)
