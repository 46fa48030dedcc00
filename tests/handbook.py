"""What the end-to-end tests ask: the handbook's questions that need a reranker."""

import json
from dataclasses import dataclass
from pathlib import Path

HANDBOOK = Path(__file__).parent.parent / "examples" / "handbook"


@dataclass(frozen=True)
class HandbookQuestion:
    """A question, and title and text of the passage that answers it."""

    id: str
    query: str
    answer: str


def questions_that_need_a_reranker() -> list[HandbookQuestion]:
    """Those whose answer all-MiniLM-L6-v2 has among its first 20, but not among its first 2."""
    texts = {row["id"]: f"{row['title']}\n{row['text']}" for row in _rows("documents.jsonl")}
    return [
        HandbookQuestion(row["id"], row["query"], texts[row["answer"]])
        for row in _rows("questions.jsonl")
        if row["reranker_needed"]
    ]


def _rows(name: str) -> list[dict[str, str]]:
    text = (HANDBOOK / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
