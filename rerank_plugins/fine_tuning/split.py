"""What is trained on, what chooses when to stop, and what measures: parts that share no text."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rerank_plugins.fine_tuning.data import LabelledQuestion, text_key


@dataclass(frozen=True)
class Split:
    """Three parts of the questions; no question and no answer is in two of them.

    Attributes:
        train: What the model learns from.
        development: What chooses the step to keep.
        held_out: What measures the model before and after; nothing is chosen by it.
    """

    train: list[LabelledQuestion]
    development: list[LabelledQuestion]
    held_out: list[LabelledQuestion]


def split_questions(
    questions: Sequence[LabelledQuestion], *, development: float, held_out: float, seed: int
) -> Split:
    """Returns the three parts.

    Questions that share an answer, directly or over others, stay together. A group of them that
    is larger than what a part still needs is trained on; where all questions hang together, the
    other two parts are empty.

    Args:
        questions: All questions, each once.
        development: Share of the questions for development, 0 for none.
        held_out: Share of the questions held out, 0 for none.
        seed: Decides which.
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
    """The questions in groups that share no answer with each other."""
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
