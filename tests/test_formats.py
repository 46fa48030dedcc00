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
    with pytest.raises(InvalidInputError, match=r"'d\\ud83d3' has half of a surrogate pair"):
        formats.write_run({"q": {"d\ud83d3": 1.0}}, tmp_path / "bad.run")


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_run_with_a_score_that_is_no_number_is_not_written(tmp_path: Path, score: float) -> None:
    told = f"the score of document 'b' for query 'q' is {score}.* Leave the document out"
    with pytest.raises(InvalidInputError, match=told):
        formats.write_run({"q": {"a": 1.0, "b": score}}, tmp_path / "new.run")
    assert not (tmp_path / "new.run").exists()


def test_a_run_that_cannot_be_written_is_an_error_that_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot write .*in a folder that exists"):
        formats.write_run({"q": {"a": 1.0}}, tmp_path / "none" / "new.run")


def test_topics_may_have_comments_and_character_data(tmp_path: Path) -> None:
    file = tmp_path / "topics.xml"
    old = '<!-- <topic number="9"><query>old</query></topic> -->'
    topic = '<topic number="1"><query><![CDATA[a & b <i> &lt; <!-- c]]></query></topic>'
    for start in ("<topics>", '<?xml version="1.0"?>\n<topics>', "<!-- ours\n-->\n<topics>"):
        file.write_text(f"{start}{old}\n{topic}</topics>\n")
        assert formats.read_queries(file) == {"1": "a & b <i> &lt; <!-- c"}


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
