"""What moves the weights, and the moving average of them."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from embedded_model.recipe.settings import LoopConfig


def build_optimizer(student: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    """Returns AdamW over what is trained, with weight decay on matrices alone."""
    return torch.optim.AdamW(
        _parameter_groups(student, config.weight_decay),
        lr=config.learning_rate,
        betas=(0.9, 0.98),
    )


def moving_average(student: nn.Module, decay: float) -> AveragedModel | None:
    """Returns an average that follows the student, or None where `decay` is 0."""
    if not decay:
        return None
    return AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]


def _parameter_groups(student: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    trained = [weights for weights in student.parameters() if weights.requires_grad]
    return [
        {
            "params": [weights for weights in trained if weights.ndim > 1],
            "weight_decay": weight_decay,
        },
        {"params": [weights for weights in trained if weights.ndim <= 1], "weight_decay": 0.0},
    ]
