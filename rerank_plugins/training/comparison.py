"""The comparison: a last layer and a head that turn two vectors into the teacher's cosine.

Fitted on vectors alone, which costs a thousandth of what the texts would: a product of two vectors
is a sum of squares of their sums and differences, and a feed-forward layer is good at squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from transformers import BertForSequenceClassification

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.training.questions import Question

_CENTRE = 0.3
"""The cosine that gets a logit of 0 at first."""
_SCALE = 20.0
_PAIRS = 2048
_SAMPLE = 8192
_RANDOM_SHARE = 0.4


@dataclass(frozen=True)
class Directions:
    """How the last layer's heads see a vector of the teacher.

    Attributes:
        matrix: Hidden size by half of it; a vector times this is what one side's heads read.
        scale: Length that a unit vector within the directions' span gets.
    """

    matrix: torch.Tensor
    scale: float


def main_directions(questions: list[Question], size: int, rng: np.random.Generator) -> Directions:
    """Returns the main directions of the teacher's vectors, turned so that heads share them.

    Raises:
        InvalidInputError: The vectors are not of the student's hidden size, so not of its base.
    """
    asked, held = _vector_pairs(questions, _SAMPLE, rng)
    if asked.shape[1] != size:
        msg = (
            f"the teacher's vectors have {asked.shape[1]} numbers, the student's tokens {size}; "
            "siamese_steps needs the base as the teacher: leave encoder out, "
            "or set siamese_steps = 0"
        )
        raise InvalidInputError(msg)
    vectors = torch.cat([asked, held])
    _, _, right = torch.linalg.svd(vectors, full_matrices=False)
    half = size // 2
    turn = torch.linalg.qr(torch.from_numpy(rng.standard_normal((half, half)).astype(np.float32)))
    main = turn[0] @ right[:half]
    scale = float(1 / (vectors @ main.T).std())
    return Directions((main.T * scale).contiguous(), scale)


def fit_comparison(
    student: BertForSequenceClassification,
    directions: Directions,
    questions: list[Question],
    first: torch.Tensor,
    steps: int,
    rng: np.random.Generator,
    progress: bool,
) -> None:
    """Fits what follows the heads' reading to the teacher's cosine, over vectors alone."""
    bert: Any = student.bert
    last = bert.encoder.layer[-1]
    parts = nn.ModuleList(
        [last.attention.output, last.intermediate, last.output, bert.pooler]
    ).append(student.classifier)
    _reset(last, student, rng)
    optimizer = torch.optim.AdamW(parts.parameters(), lr=1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=max(steps, 2))
    for _ in tqdm(range(steps), desc="fitting the comparison", disable=not progress):
        asked, held = _vector_pairs(questions, _PAIRS, rng)
        read = torch.cat([asked @ directions.matrix, held @ directions.matrix], 1)
        read += 0.1 * torch.from_numpy(rng.standard_normal(read.shape).astype(np.float32))
        residual = first[torch.from_numpy(rng.integers(len(first), size=len(read)))]
        attended = last.attention.output(read, residual)
        state = last.output(last.intermediate(attended), attended)
        logits = student.classifier(bert.pooler(state[:, None]))[:, 0]
        loss = nn.functional.mse_loss(logits, _SCALE * ((asked * held).sum(1) - _CENTRE))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def _reset(last: Any, student: BertForSequenceClassification, rng: np.random.Generator) -> None:
    """New weights: sums of what the two sides' heads read in one half, differences in the other."""
    bert: Any = student.bert
    size = student.config.hidden_size
    torch.manual_seed(int(rng.integers(2**31)))
    with torch.no_grad():
        turn = torch.linalg.qr(torch.randn(size, size))[0]
        first, second = turn[:, : size // 2], turn[:, size // 2 :]
        last.attention.output.dense.weight.copy_(
            torch.cat([first + second, second - first], 1) * 2**-0.5
        )
        for linear, spread in (
            (last.intermediate.dense, 0.06),
            (last.output.dense, 0.02),
            (bert.pooler.dense, 0.03),
            (student.classifier, 0.1),
        ):
            nn.init.normal_(linear.weight, std=spread)
        for linear in (
            last.attention.output.dense,
            last.intermediate.dense,
            last.output.dense,
            bert.pooler.dense,
            student.classifier,
        ):
            linear.bias.zero_()
        for norm in (last.attention.output.LayerNorm, last.output.LayerNorm):
            norm.weight.fill_(1)
            norm.bias.zero_()


def _vector_pairs(
    questions: list[Question], count: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The teacher's vectors of questions, and of a mined or any passage beside each."""
    asked, held = [], []
    draws = zip(
        rng.integers(len(questions), size=count), rng.random(count), rng.random(count), strict=True
    )
    for number, kind, place in draws:
        question = questions[int(number)]
        if kind < _RANDOM_SHARE:
            passage = int(place * len(question.texts))
        else:
            passage = question.mined.passages[int(place * len(question.mined.passages))]
        asked.append(question.vector)
        held.append(question.vectors[passage])
    return (
        torch.from_numpy(np.stack(asked).astype(np.float32)),
        torch.from_numpy(np.stack(held).astype(np.float32)),
    )
