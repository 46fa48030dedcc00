"""The demo's corpus and questions, written for this project; see README.md beside them.

In: nothing. Out: passages and questions. A public door, for examples and tests.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

__all__ = ["DemoPassage", "DemoQuestion", "load_corpus", "load_questions"]


@dataclass(frozen=True, slots=True)
class DemoPassage:
    """A passage of the corpus: 40 to 90 words and a title."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """A question and the id of the one passage that answers it."""

    id: str
    query: str
    answer: str


def load_corpus() -> list[DemoPassage]:
    """Returns all passages; passages about similar subjects are next to each other."""
    return [DemoPassage(**row) for row in _rows("corpus.jsonl")]


def load_questions() -> list[DemoQuestion]:
    """Returns all questions, in a fixed order."""
    return [DemoQuestion(**row) for row in _rows("questions.jsonl")]


def _rows(name: str) -> Iterator[Any]:
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return map(json.loads, text.splitlines())
