"""The mean of a run's weights and those it began with.

What further training gains on its own data it partly loses elsewhere, and the mean of the weights
before and after loses less: Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from transformers import BertForSequenceClassification


def trained_weights(student: BertForSequenceClassification) -> dict[str, torch.Tensor]:
    """Returns a copy of the weights that training moves, by name."""
    return {
        name: weights.detach().clone()
        for name, weights in student.named_parameters()
        if weights.requires_grad
    }


def blended(
    student: BertForSequenceClassification, start: Mapping[str, torch.Tensor], share: float
) -> BertForSequenceClassification:
    """Returns a copy whose weights are ``share`` of ``start`` and the rest of the student's."""
    blend = copy.deepcopy(student)
    weights = dict(blend.named_parameters())
    with torch.no_grad():
        for name, begun in start.items():
            weights[name].lerp_(begun, share)
    return blend
