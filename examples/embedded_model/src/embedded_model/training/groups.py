"""Groups: the questions of one step, with the passages each is trained against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedded_model.questions.loading import Question
from embedded_model.questions.traps import trap
from embedded_model.recipe.settings import LoopConfig


@dataclass(frozen=True)
class Group:
    """One question and its passages; where there is a label, the labelled one first.

    Attributes:
        teacher: The teacher's score for each passage.
        label_weight: Weight of the label; 0 where there is none.
        doubtful: For each passage whether it may answer too, so that the label is not held
            against it.
        query_vector: The teacher's vector of the question as it was mined.
        passage_vectors: The teacher's vectors of the passages.
        has_trap: Whether the last passage is a trap, whose score and vector mean nothing.
    """

    query: str
    passages: list[str]
    teacher: NDArray[np.float32]
    label_weight: float
    doubtful: list[bool]
    query_vector: NDArray[np.float32]
    passage_vectors: NDArray[np.float32]
    has_trap: bool = False


class StepGroups:
    """Draws the groups of any step.

    They depend on the arguments alone, so a run that was interrupted goes on with the very groups
    it would have seen. Between two joining views every question comes once before any comes twice.
    One thread at a time may use it.

    Args:
        questions: All questions of the run.
        config: How many questions a step has, and how many passages beside each.
        seed: Decides the order and what is drawn.
    """

    def __init__(self, questions: Sequence[Question], config: LoopConfig, seed: int) -> None:
        self._questions = questions
        self._starts = sorted({question.first_step for question in questions})
        self._config = config
        self._seed = seed
        self._stage = -1
        self._joined: list[Question] = []
        self._epoch = -1
        self._order: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def of(self, step: int) -> list[Group]:
        """Returns the groups of a step."""
        stage = max(start for start in self._starts if start <= step)
        if stage != self._stage:
            self._joined = [one for one in self._questions if one.first_step <= stage]
            self._stage, self._epoch = stage, -1
        first = (step - stage) * self._config.questions
        return [self._draw(number) for number in range(first, first + self._config.questions)]

    def _draw(self, number: int) -> Group:
        epoch, position = divmod(number, len(self._joined))
        if epoch != self._epoch:
            rng = np.random.default_rng((self._seed, self._stage, epoch))
            self._order, self._epoch = rng.permutation(len(self._joined)), epoch
        rng = np.random.default_rng((self._seed, self._stage, epoch, position))
        question = self._joined[int(self._order[position])]
        count = len(question.mined.passages)
        size = min(self._config.passages, count)
        if question.label_weight:
            others = rng.choice(count - 1, size=size - 1, replace=False)
            drawn = [0, *(1 + others).tolist()]
        else:
            drawn = rng.choice(count, size=size, replace=False).tolist()
        query = question.mined.query
        if rng.random() < self._config.keyword_share:
            query = query.lower().rstrip("?").rstrip() or query
        group = build_group(query, question, drawn)
        if rng.random() < self._config.trap_share:
            passages = [*group.passages[:-1], trap(query, rng)]
            group = replace(
                group, passages=passages, doubtful=[*group.doubtful[:-1], False], has_trap=True
            )
        return group


def build_group(query: str, question: Question, numbers: list[int]) -> Group:
    """Returns the group of the question's passages at these places."""
    mined = question.mined
    return Group(
        query=query,
        passages=[question.texts[mined.passages[number]] for number in numbers],
        teacher=np.asarray(mined.cosines, dtype=np.float32)[numbers],
        label_weight=question.label_weight,
        doubtful=[mined.doubtful[number] for number in numbers],
        query_vector=question.vector.astype(np.float32),
        passage_vectors=question.vectors[[mined.passages[number] for number in numbers]].astype(
            np.float32
        ),
    )
