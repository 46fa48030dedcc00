"""What a step is judged by: the teacher's distribution, the labels, and the teacher's vectors."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from rerank_plugins.training.comparison import Directions
from rerank_plugins.training.groups import Group
from rerank_plugins.training.settings import LoopConfig


def group_loss(
    logits: torch.Tensor, groups: list[Group], config: LoopConfig
) -> tuple[torch.Tensor, float]:
    """Returns the mean loss over groups and the share of labelled passages that are first.

    For each group: the divergence from the teacher's distribution over its passages, and where
    there is a label its weight times the cross-entropy on the labelled passage and the anchor's
    binary cross-entropy. Doubtful passages are left out of the label's two parts.
    """
    losses = []
    right = []
    sizes = [len(group.passages) for group in groups]
    for group, scores in zip(groups, torch.split(logits, sizes), strict=True):
        teacher = (config.teacher_scale * torch.from_numpy(group.teacher)).log_softmax(0)
        loss = config.teacher_weight * nn.functional.kl_div(
            scores.log_softmax(0), teacher, log_target=True, reduction="sum"
        )
        if group.label_weight:
            clear = scores[~torch.tensor(group.doubtful)]
            loss = loss - group.label_weight * clear.log_softmax(0)[0]
            wanted = torch.zeros_like(clear)
            wanted[0] = 1
            loss = loss + config.anchor_weight * group.label_weight * (
                nn.functional.binary_cross_entropy_with_logits(clear, wanted, reduction="sum")
            )
            right.append(int(clear.argmax() == 0))
        losses.append(loss)
    return torch.stack(losses).mean(), float(np.mean(right)) if right else 0.0


def reading_distance(
    read: torch.Tensor, groups: list[Group], directions: Directions
) -> torch.Tensor:
    """Returns how far what the heads read lies from the teacher's vectors of the two texts.

    The mean over pairs of the two squared distances, in units of a unit vector: 2 a text where the
    two have nothing to do with each other, 0 where they agree.
    """
    asked = np.concatenate([[group.query_vector] * len(group.passages) for group in groups])
    held = np.concatenate([group.passage_vectors for group in groups])
    wanted = torch.cat(
        [torch.from_numpy(vectors) @ directions.matrix for vectors in (asked, held)], 1
    )
    return ((read - wanted) ** 2).sum(1).mean() / directions.scale**2
