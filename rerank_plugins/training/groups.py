"""Groups: the questions of one step, with the passages each is trained against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.training.config import LoopConfig
from rerank_plugins.training.mining import MinedQuestion
from rerank_plugins.training.questions import Question


@dataclass(frozen=True)
class Group:
    """One question and its passages, the labelled one first.

    Attributes:
        teacher: The teacher's score for each passage.
    """

    query: str
    passages: list[str]
    teacher: NDArray[np.float32]
    label_weight: float


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
        others = len(question.mined.passages) - 1
        count = min(config.passages - 1, others)
        drawn = 1 + rng.choice(others, size=count, replace=False)
        query = question.mined.query
        if rng.random() < config.keyword_share:
            query = query.lower().rstrip("?").rstrip() or query
        groups.append(build_group(query, question, [0, *drawn.tolist()], config.lexical_weight))
    return groups


def build_group(query: str, question: Question, numbers: list[int], lexical_weight: float) -> Group:
    """Returns the group of the passages with these numbers."""
    return Group(
        query=query,
        passages=[question.mined.passages[number] for number in numbers],
        teacher=teacher_scores(question.mined, lexical_weight)[numbers],
        label_weight=question.label_weight,
    )


def teacher_scores(mined: MinedQuestion, lexical_weight: float) -> NDArray[np.float32]:
    """Returns cosine plus the weighted share of the best BM25 score, for each passage."""
    scores = np.asarray(mined.cosines) + lexical_weight * np.asarray(mined.lexical)
    return scores.astype(np.float32)
