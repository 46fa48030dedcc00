"""bf16 arithmetic over fp32 weights: a working copy that is stepped through its original."""

from __future__ import annotations

import copy

import torch
from transformers import BertForSequenceClassification

from rerank_plugins.backends.half_precision import pays


def working_copy(student: BertForSequenceClassification, precision: str) -> WorkingCopy | None:
    """Returns what a recipe's `precision` computes with, or None for the student itself.

    That is so in fp32, and in bf16 on a processor that would emulate it, several times slower.
    """
    if precision != "bf16" or (student.device.type == "cpu" and not pays("bfloat16")):
        return None
    return WorkingCopy(student)


class WorkingCopy:
    """A bf16 copy of a student for forward and backward passes.

    Steps smaller than bf16 can express would be lost on bf16 weights, so gradients go to the
    original, the optimiser steps that, and the copy follows. Autocast does the same with a cast
    for every product; on a CPU this is a quarter faster.
    """

    def __init__(self, student: BertForSequenceClassification) -> None:
        self.model = copy.deepcopy(student).bfloat16()
        trained = dict(self.model.named_parameters())
        self._pairs = [
            (weights, trained[name])
            for name, weights in student.named_parameters()
            if weights.requires_grad
        ]

    def hand_over_gradients(self) -> None:
        """Moves the copy's gradients to the original."""
        for weights, copied in self._pairs:
            weights.grad = None if copied.grad is None else copied.grad.float()
            copied.grad = None

    @torch.no_grad()
    def follow(self) -> None:
        """Takes over the original's weights."""
        for weights, copied in self._pairs:
            copied.copy_(weights)
