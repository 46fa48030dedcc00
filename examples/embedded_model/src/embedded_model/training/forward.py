"""One step forward: the student's logits over all its pairs, and a second teacher's."""

from __future__ import annotations

import torch
from transformers import BertForSequenceClassification

from embedded_model.models.packed import packed_logits_and_reading
from embedded_model.models.student import first_token_logits, logits_and_reading
from embedded_model.training.feed import Step


def step_logits(
    student: BertForSequenceClassification,
    teacher: BertForSequenceClassification | None,
    made: Step,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Returns the logit of each pair, what the student's last heads read, and the teacher's logits.

    In the order of the step's groups, on the student's device. Nothing flows back to the teacher.
    The student's graphs of all chunks are kept.
    """
    if made.pack is not None:
        pack = made.pack.to(student.device)
        with torch.no_grad():
            taught = None if teacher is None else packed_logits_and_reading(teacher, pack)[0]
        return *packed_logits_and_reading(student, pack), taught
    positions: list[int] = []
    logits: list[torch.Tensor] = []
    read: list[torch.Tensor] = []
    cross: list[torch.Tensor] = []
    for chunk, inputs in made.chunks:
        inputs = {name: values.to(student.device) for name, values in inputs.items()}
        positions += chunk
        for found, part in zip((logits, read), logits_and_reading(student, inputs), strict=True):
            found.append(part)
        if teacher is not None:
            with torch.no_grad():
                cross.append(first_token_logits(teacher, inputs))
    order = torch.tensor(positions).argsort().to(student.device)
    taught = torch.cat(cross)[order] if cross else None
    return torch.cat(logits)[order], torch.cat(read)[order], taught
