"""The comparison: a last layer and a head that turn two vectors into the teacher's cosine.

Fitted on vectors alone, which costs a thousandth of what the texts would: a product of two vectors
is a sum of squares of their sums and differences, and a feed-forward layer is good at squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm
from transformers import BertForSequenceClassification

from embedded_model.questions.loading import Question
from rerank_plugins.errors import InvalidInputError

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


class VectorPairs:
    """Draws the teacher's vectors of questions, and of a mined or any passage beside each.

    Args:
        questions: All questions of a run.
        rng: Decides what is drawn.
        device: Where the vectors are held.
    """

    def __init__(
        self, questions: list[Question], rng: np.random.Generator, device: torch.device
    ) -> None:
        self._rng = rng
        firsts: dict[int, int] = {}
        views: list[NDArray[np.float16]] = []
        held = 0
        for question in questions:
            if id(question.vectors) not in firsts:
                firsts[id(question.vectors)] = held
                views.append(question.vectors)
                held += len(question.vectors)
        self._questions = torch.from_numpy(np.stack([one.vector for one in questions])).to(device)
        self._passages = torch.from_numpy(np.concatenate(views)).to(device)
        self._first = np.array([firsts[id(one.vectors)] for one in questions])
        self._size = np.array([len(one.vectors) for one in questions])
        self._counts = np.array([len(one.mined.passages) for one in questions])
        self._ends = self._counts.cumsum()
        self._mined = np.concatenate([one.mined.passages for one in questions])

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns `count` pairs of vectors, each `(count, width)`."""
        asked = self._rng.integers(len(self._first), size=count)
        place = self._rng.random(count)
        nearby = self._ends[asked] - self._counts[asked]
        nearby = self._mined[nearby + (place * self._counts[asked]).astype(np.int64)]
        anywhere = (place * self._size[asked]).astype(np.int64)
        held = np.where(self._rng.random(count) < _RANDOM_SHARE, anywhere, nearby)
        held = held + self._first[asked]
        return (
            self._questions[torch.from_numpy(asked)].float(),
            self._passages[torch.from_numpy(held)].float(),
        )


def main_directions(pairs: VectorPairs, size: int, rng: np.random.Generator) -> Directions:
    """Returns the main directions of the teacher's vectors, turned so that heads share them.

    Raises:
        InvalidInputError: The vectors are not of the student's hidden size, so not of its base.
    """
    vectors = torch.cat(pairs.draw(_SAMPLE)).cpu()
    if vectors.shape[1] != size:
        msg = (
            f"the teacher's vectors have {vectors.shape[1]} numbers, the student's tokens {size}; "
            "siamese_steps needs the base as the teacher: leave encoder out, "
            "or set siamese_steps = 0."
        )
        raise InvalidInputError(msg)
    _, _, right = torch.linalg.svd(vectors, full_matrices=False)
    half = size // 2
    turn = torch.linalg.qr(torch.from_numpy(rng.standard_normal((half, half)).astype(np.float32)))
    main = turn[0] @ right[:half]
    scale = float(1 / (vectors @ main.T).std())
    return Directions((main.T * scale).contiguous(), scale)


def fit_comparison(
    student: BertForSequenceClassification,
    directions: Directions,
    pairs: VectorPairs,
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
    device = first.device
    matrix = directions.matrix.to(device)
    optimizer = torch.optim.AdamW(parts.parameters(), lr=1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=max(steps, 2))
    for _ in tqdm(range(steps), desc="fitting the comparison", disable=not progress):
        asked, held = pairs.draw(_PAIRS)
        read = torch.cat([asked @ matrix, held @ matrix], 1)
        read += 0.1 * torch.randn(read.shape, device=device)
        drawn = torch.from_numpy(rng.integers(len(first), size=len(read))).to(device)
        attended = last.attention.output(read, first[drawn])
        state = last.output(last.intermediate(attended), attended)
        logits = student.classifier(bert.pooler(state[:, None]))[:, 0]
        loss = nn.functional.mse_loss(logits, _SCALE * ((asked * held).sum(1) - _CENTRE))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()  # after: the student's first step would add to the last gradient
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
