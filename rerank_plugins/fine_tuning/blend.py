"""The mean of a run's weights and those it began with.

What further training gains on its own data it partly loses elsewhere, and the mean of the weights
before and after loses less: Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def blend_in(model: nn.Module, start: Mapping[str, torch.Tensor], share: float) -> None:
    """Makes the weights that are in ``start`` a mean of those, at that share, and the model's."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name in start:
                weights.lerp_(start[name].to(weights), share)
