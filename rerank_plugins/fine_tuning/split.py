"""Splits the questions into parts for training, development and measuring that share no text."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rerank_plugins.fine_tuning.data import LabelledQuestion, text_key


@dataclass(frozen=True)
class Split:
    """Three parts of the questions that share no question and no answer.

    Attributes:
        train: Questions that the model learns from.
        development: Questions that decide which step is kept.
        held_out: Questions that only measure the model before and after.
    """

    train: list[LabelledQuestion]
    development: list[LabelledQuestion]
    held_out: list[LabelledQuestion]


def split_questions(
    questions: Sequence[LabelledQuestion], *, development: float, held_out: float, seed: int
) -> Split:
    """Returns the three parts.

    Questions that share an answer, directly or through other questions, stay together. A group
    that does not fit into development or held-out goes to training; if all questions are connected,
    the other two parts are empty.

    Args:
        questions: All questions, each once.
        development: Share of the questions for development, 0 for none.
        held_out: Share of the questions to hold out, 0 for none.
        seed: Seed of the split.
    """
    groups = _groups(questions)
    random.Random(seed).shuffle(groups)
    parts: dict[str, list[LabelledQuestion]] = {"held_out": [], "development": [], "train": []}
    wanted = {"held_out": held_out, "development": development}
    room = {name: round(share * len(questions)) for name, share in wanted.items()}
    for group in groups:
        part = next((name for name, free in room.items() if len(group) <= free), "train")
        parts[part] += group
        if part in room:
            room[part] -= len(group)
    return Split(parts["train"], parts["development"], parts["held_out"])


def _groups(questions: Sequence[LabelledQuestion]) -> list[list[LabelledQuestion]]:
    """Groups the questions so that no two groups share an answer."""
    owner: dict[str, int] = {}
    parent = list(range(len(questions)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number

    for number, question in enumerate(questions):
        for key in _keys(question):
            parent[root(number)] = root(owner.setdefault(key, number))
    groups: dict[int, list[LabelledQuestion]] = {}
    for number, question in enumerate(questions):
        groups.setdefault(root(number), []).append(question)
    return list(groups.values())


def _keys(question: LabelledQuestion) -> Iterable[str]:
    return map(text_key, question.answers)
