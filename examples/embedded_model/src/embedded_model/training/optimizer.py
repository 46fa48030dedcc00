"""What moves the weights, and the moving average of them."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from embedded_model.recipe.settings import LoopConfig


def build_optimizers(student: nn.Module, config: LoopConfig) -> list[torch.optim.Optimizer]:
    """Returns what moves the weights that are trained, with weight decay on matrices alone.

    AdamW moves all of them, or beside Muon those that are no matrices of layers.
    """
    trained = {
        name: weights for name, weights in student.named_parameters() if weights.requires_grad
    }
    inner = {
        name: weights
        for name, weights in trained.items()
        if config.optimizer == "muon" and ".layer." in name and weights.ndim == 2
    }
    others = [weights for name, weights in trained.items() if name not in inner]
    groups: list[dict[str, object]] = [
        {"params": [weights for weights in others if weights.ndim > 1]},
        {"params": [weights for weights in others if weights.ndim <= 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(
        groups,
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=config.weight_decay,
    )
    if not inner:
        return [adamw]
    muon = torch.optim.Muon(
        inner.values(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",  # steps as long as AdamW's, so that one rate fits both
    )
    return [adamw, muon]


def moving_average(student: nn.Module, decay: float) -> AveragedModel | None:
    """Returns an average that follows the student, or None where `decay` is 0."""
    if not decay:
        return None
    return AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
