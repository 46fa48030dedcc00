"""The weighted mean of a model's weights before and after training.

Training that gains on its own data loses something on other data. The mean of the weights before
and after loses less: Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def blend_in(model: nn.Module, start: Mapping[str, torch.Tensor], share: float) -> None:
    """Mixes the weights in `start` into the model's weights of the same names, in place.

    Args:
        model: The model to change.
        start: Weights by name.
        share: The share of `start` in the mean, from 0 to 1.
    """
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name in start:
                weights.lerp_(start[name].to(weights), share)
