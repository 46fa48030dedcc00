"""Groups: the questions of one step, with the passages each is trained against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.training.questions import Question
from rerank_plugins.training.settings import LoopConfig


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
    """

    query: str
    passages: list[str]
    teacher: NDArray[np.float32]
    label_weight: float
    doubtful: list[bool]
    query_vector: NDArray[np.float32]
    passage_vectors: NDArray[np.float32]


def step_groups(questions: list[Question], step: int, config: LoopConfig, seed: int) -> list[Group]:
    """Returns the groups of a step.

    They depend on the arguments alone, so a run that was interrupted goes on with the very groups
    it would have seen. Between two joining views every question comes once before any comes twice.
    """
    stage = max(question.first_step for question in questions if question.first_step <= step)
    joined = [question for question in questions if question.first_step <= step]
    first = (step - stage) * config.questions
    groups = []
    for number in range(first, first + config.questions):
        epoch, position = divmod(number, len(joined))
        order = np.random.default_rng((seed, stage, epoch)).permutation(len(joined))
        rng = np.random.default_rng((seed, stage, epoch, position))
        question = joined[int(order[position])]
        count = len(question.mined.passages)
        if question.label_weight:
            others = rng.choice(count - 1, size=min(config.passages, count) - 1, replace=False)
            drawn = [0, *(1 + others).tolist()]
        else:
            drawn = rng.choice(count, size=min(config.passages, count), replace=False).tolist()
        query = question.mined.query
        if rng.random() < config.keyword_share:
            query = query.lower().rstrip("?").rstrip() or query
        groups.append(build_group(query, question, drawn))
    return groups


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
