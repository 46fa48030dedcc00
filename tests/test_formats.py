"""The public door to files: what it exports, and runs that are read, joined and written."""

from pathlib import Path

import pytest

from rerank_plugins import InvalidInputError, formats
from rerank_plugins.evaluation import JudgedCollection, bm25_candidates, compare
from rerank_plugins.testing import DeterministicScorer


def test_the_door_exports_what_it_names_in_order() -> None:
    assert formats.__all__ == sorted(formats.__all__)
    for name in formats.__all__:
        assert getattr(formats, name).__doc__


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "bm25.run").write_text("q1 Q0 d1 1 2 x\nq1 Q0 d3 2 1 x\nq1 Q0 d2 3 2 x\n")
    (tmp_path / "queries.xml").write_text("<top>\n<num> Number: q1\n<title> red fox\n</top>\n")
    (tmp_path / "corpus.jsonl").write_text(
        "".join(f'{{"_id": "d{number}", "text": "text {number}"}}\n' for number in (1, 2, 3))
    )
    return tmp_path


def test_a_run_is_read_in_its_order_and_joined_in_that_of_trecs_tools(files: Path) -> None:
    run = formats.read_run(files / "bm25.run")
    assert list(run["q1"].items()) == [("d1", 2.0), ("d3", 1.0), ("d2", 2.0)]
    (asked,) = formats.read_candidates(run, files / "queries.xml", files / "corpus.jsonl")
    assert (asked.id, asked.query) == ("q1", "red fox")
    assert [(passage.id, passage.text) for passage in asked.passages] == [
        ("d2", "text 2"),
        ("d1", "text 1"),
        ("d3", "text 3"),
    ]


def test_a_run_that_names_what_is_in_no_file_is_refused(files: Path) -> None:
    for run, told in (({"q9": {"d1": 1.0}}, "queries in my run"), ({"q1": {"d9": 1.0}}, "'d9'")):
        with pytest.raises(InvalidInputError, match=told):
            formats.read_candidates(
                run, files / "queries.xml", files / "corpus.jsonl", name="my run"
            )


def test_a_written_run_is_read_again_best_first(tmp_path: Path) -> None:
    formats.write_run({"q": {"a": 0.5, "b": 2.0, "c": 0.5}}, tmp_path / "new.run")
    read = formats.read_run(tmp_path / "new.run")["q"]
    assert list(read) == ["b", "a", "c"]
    assert sorted(read.values(), reverse=True) == list(read.values())
    with pytest.raises(InvalidInputError, match="white space"):
        formats.write_run({"q": {"two words": 1.0}}, tmp_path / "bad.run")


def test_compare_takes_scorers_and_functions_and_needs_one() -> None:
    collection = JudgedCollection(
        name="foxes",
        passages={"1": "a red fox", "2": "a fox", "3": "the sea"},
        queries={"q": "red fox"},
        judgements={"q": {"1": 1}},
    )
    candidates = bm25_candidates(collection)
    scorers = {"ours": DeterministicScorer(), "lengths": lambda query, texts: [*map(len, texts)]}
    result = compare(collection, candidates, scorers)
    assert [order.mean("RR@10") for order in result.reranked] == [1.0, 1.0]
    with pytest.raises(InvalidInputError, match="needs at least one scorer"):
        compare(collection, candidates, {})
