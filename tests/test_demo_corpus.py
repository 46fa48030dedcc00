"""The demo's corpus holds what its README says about it."""

import re
from importlib.resources import files

import pytest

from rerank_plugins.cli.two_stages import DEPTH
from rerank_plugins.demo import DemoPassage, load_corpus, load_questions
from rerank_plugins.retrieval.bm25 import Bm25Search


@pytest.fixture(scope="module")
def places() -> list[int | None]:
    """Where BM25 puts the answer to each question, from 1."""
    corpus = load_corpus()
    search = Bm25Search([f"{passage.title} {passage.text}" for passage in corpus])
    found = []
    for question in load_questions():
        ids = [corpus[hit.index].id for hit in search.search(question.query, DEPTH)]
        found.append(ids.index(question.answer) + 1 if question.answer in ids else None)
    return found


def test_ids_and_texts_are_unique() -> None:
    corpus, questions = load_corpus(), load_questions()
    assert len({passage.id for passage in corpus}) == len(corpus) >= 150
    assert len({passage.text for passage in corpus}) == len(corpus)
    assert len({passage.title for passage in corpus}) == len(corpus)
    assert len({question.id for question in questions}) == len(questions)
    assert len({question.query for question in questions}) == len(questions)


def test_every_answer_is_a_passage() -> None:
    ids = {passage.id for passage in load_corpus()}
    answers = [question.answer for question in load_questions()]
    assert set(answers) <= ids
    assert len(set(answers)) == len(answers)


def test_passages_fit_a_screen() -> None:
    for passage in load_corpus():
        assert 30 <= len(passage.text.split()) <= 90, passage.id
        assert passage.text == " ".join(passage.text.split()), passage.id


def test_bm25_is_wrong_often_but_finds_every_answer(places: list[int | None]) -> None:
    assert None not in places
    assert sum(place != 1 for place in places) >= 20
    assert sum(place == 1 for place in places) >= 10


def test_readme_says_what_is_there(places: list[int | None]) -> None:
    readme = files("rerank_plugins.demo").joinpath("README.md").read_text(encoding="utf-8")
    counts = (
        len(load_corpus()),
        len(places),
        sum(place != 1 for place in places),
        places.count(1),
        DEPTH,
    )
    counted = r"(\d+) (?:short|questions,|of the questions|the answer)|first (\d+)"
    stated = re.findall(counted, readme)
    assert tuple(int(a or b) for a, b in stated) == counts


def test_passages_cannot_be_changed() -> None:
    passage = load_corpus()[0]
    assert isinstance(passage, DemoPassage)
    with pytest.raises(AttributeError):
        passage.text = "other"  # type: ignore[misc]
