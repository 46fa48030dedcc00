"""The loss of a step: against the teachers' distributions, the labels, the teacher's vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn

from embedded_model.models.comparison import Directions
from embedded_model.recipe.settings import LoopConfig
from embedded_model.training.groups import Group

_NOWHERE = -1e4
"""The logit of a place that holds no passage."""


@dataclass(frozen=True)
class Targets:
    """The targets of the logits of g groups with at most p passages each.

    Attributes:
        teacher: The teacher's score for each passage, `(g, p)`.
        present: Which places hold a passage, `(g, p)`.
        clear: Passages that the label is held against, the labelled one included, `(g, p)`.
        traps: Which passages are traps, `(g, p)`: the teachers' scores of them mean nothing.
        label_weight: `(g,)`, 0 where there is no label.
        vectors: The teacher's vectors of the question and the passage of every pair, side by
            side, `(pairs, 2 x width)`; empty where nobody asks.
    """

    teacher: torch.Tensor
    present: torch.Tensor
    clear: torch.Tensor
    traps: torch.Tensor
    label_weight: torch.Tensor
    vectors: torch.Tensor

    @classmethod
    def of(cls, groups: Sequence[Group], *, vectors: bool = False) -> Targets:
        """Returns the targets of groups, with the teacher's vectors if asked."""
        shape = (len(groups), max(len(group.passages) for group in groups))
        teacher = np.full(shape, _NOWHERE, dtype=np.float32)
        present = np.zeros(shape, dtype=bool)
        clear = np.zeros(shape, dtype=bool)
        traps = np.zeros(shape, dtype=bool)
        for row, group in enumerate(groups):
            count = len(group.passages)
            teacher[row, :count] = group.teacher
            present[row, :count] = True
            clear[row, :count] = np.logical_not(group.doubtful)
            traps[row, count - 1] = group.has_trap
        read = np.zeros((0, 0), dtype=np.float32)
        if vectors:
            asked = [group.query_vector for group in groups for _ in group.passages]
            held = np.concatenate([group.passage_vectors for group in groups])
            read = np.concatenate([np.stack(asked), held], axis=1)
        weights = np.array([group.label_weight for group in groups], dtype=np.float32)
        return cls(*map(torch.from_numpy, (teacher, present, clear, traps, weights, read)))

    def to(self, device: torch.device) -> Targets:
        """Returns the same on a device."""
        return Targets(*(getattr(self, entry.name).to(device) for entry in fields(self)))


def group_loss(
    logits: torch.Tensor,
    targets: Targets,
    config: LoopConfig,
    cross: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the mean loss over groups and the share of labelled passages that are first.

    For each group: the divergence from the teacher's distribution over its passages and the error
    of the margins, the divergence from a second teacher's where there is one (or both parts for
    the teachers' added scores), and where there is a label its weight times the cross-entropy on
    the labelled passage and the anchor's binary cross-entropy. Doubtful passages are left out of
    the label's two parts. A trap should score as the passage that the teachers like least.

    Args:
        logits: The student's for every pair, groups one after the other.
        targets: Of the same groups.
        config: The weights of the parts.
        cross: The second teacher's logits for every pair.
    """
    present = targets.present
    scores = _in_groups(logits, present)
    teacher = config.teacher_scale * targets.teacher
    second = None
    if cross is not None:
        second = config.cross_teacher_scale * _in_groups(cross, present)
        if config.joint_teachers:
            teacher, second = teacher + second, None
    teacher = _with_low_traps(teacher, targets)
    losses = config.teacher_weight * _divergence(scores, teacher, present)
    if config.margin_weight:
        losses = losses + config.margin_weight * _margin_error(scores, teacher, present)
    if second is not None:
        second = _with_low_traps(second, targets)
        losses = losses + config.cross_teacher_weight * _divergence(scores, second, present)
    clear = scores.where(targets.clear, scores.new_tensor(_NOWHERE))
    wanted = torch.zeros_like(scores)
    wanted[:, 0] = 1
    anchor = nn.functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
    anchor = (anchor * targets.clear).sum(1)
    losses = losses + targets.label_weight * (
        config.anchor_weight * anchor - clear.log_softmax(1)[:, 0]
    )
    labelled = targets.label_weight > 0
    right = ((clear.argmax(1) == 0) & labelled).sum() / labelled.sum().clamp_min(1)
    return losses.mean(), right


def _in_groups(logits: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    return logits.new_full(present.shape, _NOWHERE).masked_scatter(present, logits)


def _with_low_traps(teacher: torch.Tensor, targets: Targets) -> torch.Tensor:
    """A teacher's scores, with the lowest of a group for its trap."""
    judged = targets.present & ~targets.traps
    lowest = teacher.masked_fill(~judged, torch.inf).amin(1, keepdim=True)
    return torch.where(targets.traps, lowest, teacher)


def _divergence(scores: torch.Tensor, teacher: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """For each group, how far the scores' distribution is from the teacher's."""
    wanted, given = teacher.log_softmax(1), scores.log_softmax(1)
    return (wanted.exp() * (wanted - given) * present).sum(1)


def _margin_error(
    scores: torch.Tensor, teacher: torch.Tensor, present: torch.Tensor
) -> torch.Tensor:
    """For each group, the mean squared error of the margins to the mean of its passages."""
    count = present.sum(1)
    error = (scores - teacher) * present
    centred = (error - (error.sum(1) / count)[:, None]) * present
    return (centred**2).sum(1) / count


def reading_distance(read: torch.Tensor, targets: Targets, directions: Directions) -> torch.Tensor:
    """Returns how far what the heads read lies from the teacher's vectors of the two texts.

    The mean over pairs of the two squared distances, in units of a unit vector: 2 a text where the
    two have nothing to do with each other, 0 where they agree.
    """
    asked, held = targets.vectors.chunk(2, 1)
    matrix = directions.matrix.to(read.device)
    wanted = torch.cat([asked @ matrix, held @ matrix], 1)
    return ((read - wanted) ** 2).sum(1).mean() / directions.scale**2
