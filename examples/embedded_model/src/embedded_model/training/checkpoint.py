"""Checkpoints: what a run needs to go on where it stopped."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from transformers import BertForSequenceClassification

from embedded_model.recipe.settings import MOVABLE
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option


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
    optimizers: Sequence[torch.optim.Optimizer],
    average: AveragedModel | None,
    progress: Progress,
    recipe: str,
) -> None:
    """Writes a checkpoint, whole or not at all. Frozen weights are left out: the base has them.

    `recipe` names the run that it belongs to.
    """
    names = {name for name, weights in student.named_parameters() if weights.requires_grad}
    state = {
        "student": _trained(student, names),
        "average": None if average is None else _trained(average.module, names),
        "optimizer": [optimizer.state_dict() for optimizer in optimizers],
        "step": progress.step,
        "seconds": progress.seconds,
        "recipe": recipe,
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def is_checkpoint(path: Path) -> bool:
    """Returns whether a file is a checkpoint of a recipe's run."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError):
        return False
    return isinstance(state, dict) and {"recipe", "student", "optimizer"} <= set(state)


def check_checkpoint(path: Path, recipe: str) -> None:
    """Says before any work is done what `load_checkpoint` would say after it.

    Raises:
        InvalidInputError: The checkpoint is of another recipe.
    """
    _read(path, recipe, mmap=True)


def load_checkpoint(
    path: Path,
    student: BertForSequenceClassification,
    optimizers: Sequence[torch.optim.Optimizer],
    average: AveragedModel | None,
    recipe: str,
) -> Progress:
    """Puts a checkpoint's weights into the student, its optimizers and its average.

    Returns how far the run was.

    Raises:
        InvalidInputError: The checkpoint is of another recipe.
    """
    state = _read(path, recipe)
    student.load_state_dict(state["student"], strict=False)
    for optimizer, kept in zip(optimizers, state["optimizer"], strict=True):
        optimizer.load_state_dict(kept)
    if average is not None:
        average.module.load_state_dict(state["average"], strict=False)
        average.n_averaged.fill_(state["step"])
    return Progress(state["step"], state["seconds"])


def _read(path: Path, recipe: str, *, mmap: bool = False) -> dict[str, Any]:
    """A checkpoint's content; with `mmap` without reading its weights."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    if state.get("recipe") != recipe:
        msg = (
            f"the checkpoint {path} is of another recipe; between two starts only "
            f"{', '.join(MOVABLE)} may change. Give another output folder, or start anew with "
            f"{option('resume', False)}."
        )
        raise InvalidInputError(msg)
    return state


def _trained(model: nn.Module, names: set[str]) -> dict[str, torch.Tensor]:
    return {name: values for name, values in model.state_dict().items() if name in names}
