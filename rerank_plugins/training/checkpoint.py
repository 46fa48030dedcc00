"""Checkpoints: what a run needs to go on where it stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import BertForSequenceClassification

from rerank_plugins.errors import InvalidInputError


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: Steps done.
        seconds: Seconds spent on them, over all starts.
    """

    step: int = 0
    seconds: float = 0.0


def save_checkpoint(
    path: Path,
    student: BertForSequenceClassification,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Writes a checkpoint, whole or not at all. Frozen weights are left out: the base has them."""
    names = {name for name, weights in student.named_parameters() if weights.requires_grad}
    state = {
        "student": {name: values for name, values in student.state_dict().items() if name in names},
        "optimizer": optimizer.state_dict(),
        "step": progress.step,
        "seconds": progress.seconds,
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def load_checkpoint(
    path: Path, student: BertForSequenceClassification, optimizer: torch.optim.Optimizer
) -> Progress:
    """Puts a checkpoint's weights into the student and its optimizer, and returns how far it was.

    Raises:
        InvalidInputError: The checkpoint is of a student of another shape.
    """
    state: dict[str, Any] = torch.load(path, weights_only=True)
    expected = {
        name: weights.shape for name, weights in student.named_parameters() if weights.requires_grad
    }
    if {name: values.shape for name, values in state["student"].items()} != expected:
        msg = (
            f"the checkpoint {path} is of a student of another shape; "
            "give another output folder, or start anew with resume=False"
        )
        raise InvalidInputError(msg)
    student.load_state_dict(state["student"], strict=False)
    optimizer.load_state_dict(state["optimizer"])
    return Progress(state["step"], state["seconds"])
