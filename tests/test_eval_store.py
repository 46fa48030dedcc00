"""Scores kept in a file: a run goes on where it stopped, and what has changed is asked anew."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rerank_plugins import ModelNotFoundError
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation import (
    Configuration,
    JudgedCollection,
    ScoreFunction,
    ScoreStore,
    compare,
    configurations,
    read_collection,
)
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.evaluation.memory import scoring_memory
from tests.test_evaluation import by_length, write_collection
from tests.tiny_models import edit_json


class Watched:
    """Scores by length, counts how often it is asked, and may fail at a query."""

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.asked = 0
        self.fails_at = fails_at

    def __call__(self, query: str, passages: list[str]) -> list[float]:
        if self.asked == self.fails_at:
            message = "the power is out"
            raise KeyboardInterrupt(message)
        self.asked += 1
        return by_length(query, passages)


@pytest.fixture
def collection(tmp_path: Path) -> JudgedCollection:
    return read_collection(write_collection(tmp_path / "animals"))


@pytest.fixture
def run(
    tmp_path: Path, collection: JudgedCollection
) -> Callable[[ScoreFunction, str], dict[str, object]]:
    """Compares with a store in one file; gives the scores and times."""

    def run(score: ScoreFunction, identity: str = "model a") -> dict[str, object]:
        with ScoreStore(tmp_path / "scores.db", {"scorer": identity}) as store:
            order = compare(
                collection, bm25_candidates(collection), {"scorer": score}, ask=store
            ).reranked[0]
        return {"run": order.run, "seconds": order.seconds}

    return run


def test_a_second_run_asks_nothing_and_tells_the_same(
    run: Callable[..., dict[str, object]],
) -> None:
    first = run(Watched())
    again = Watched()
    assert run(again) == first
    assert again.asked == 0


def test_a_file_of_a_version_that_counted_no_cut_passages_is_read_and_goes_on(
    tmp_path: Path, run: Callable[..., dict[str, object]]
) -> None:
    first = run(Watched())
    with sqlite3.connect(tmp_path / "scores.db") as database:
        database.execute("ALTER TABLE answers DROP COLUMN cut")
    database.close()
    again = Watched()
    assert run(again) == first
    assert again.asked == 0
    assert run(Watched(), "model b")["run"] == first["run"]


def test_answers_of_an_earlier_run_are_counted_and_those_of_this_one_are_not(
    tmp_path: Path,
) -> None:
    file = tmp_path / "scores.db"
    with ScoreStore(file, {"s": "model"}) as store:
        for query in ("query", "query"):
            store("s", by_length, query, ["passage"])
        assert dict(store.reused) == {}
    with ScoreStore(file, {"s": "model"}) as store:
        for query in ("query", "query", "other", "other"):
            store("s", by_length, query, ["passage"])
        assert dict(store.reused) == {"s": 1}


def test_a_run_that_was_interrupted_goes_on(run: Callable[..., dict[str, object]]) -> None:
    stopped = Watched(fails_at=1)
    with pytest.raises(KeyboardInterrupt):
        run(stopped)
    rest = Watched()
    run(rest)
    assert (stopped.asked, rest.asked) == (1, 1)  # of two queries that have candidates


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from rerank_plugins.evaluation import ScoreStore\n"
        "store = ScoreStore(Path(sys.argv[1]), {'s': 'model'})\n"
        "store('s', lambda query, passages: [0.5], 'query', ['passage'])\n"
        "os._exit(9)\n"
    )
    file = tmp_path / "scores.db"
    done = subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert done.returncode == 9
    watched = Watched()
    with ScoreStore(file, {"s": "model"}) as store:
        assert store("s", watched, "query", ["passage"]).scores == [0.5]
    assert watched.asked == 0


def test_another_model_is_asked_anew(run: Callable[..., dict[str, object]]) -> None:
    run(Watched())
    other = Watched()
    run(other, "model b")
    assert other.asked == 2


@pytest.mark.parametrize(
    ("query", "passages"),
    [
        ("other query", ["a", "b"]),
        ("query", ["b", "a"]),
        ("query", ["a"]),
        ("query", ["a", "b", "c"]),
        ("query", ["ab", ""]),
    ],
)
def test_another_query_or_other_passages_are_asked_anew(
    tmp_path: Path, query: str, passages: list[str]
) -> None:
    with ScoreStore(tmp_path / "scores.db", {"s": "model"}) as store:
        store("s", by_length, "query", ["a", "b"])
        watched = Watched()
        answer = store("s", watched, query, passages)
    assert watched.asked == 1
    assert answer.scores == by_length(query, passages)


def test_wrong_answers_are_not_kept(tmp_path: Path) -> None:
    with ScoreStore(tmp_path / "scores.db", {"s": "model"}) as store:
        with pytest.raises(InvalidInputError, match="one for each"):
            store("s", lambda query, passages: [], "query", ["a"])
        assert store("s", by_length, "query", ["a"]).scores == [-1.0]


@pytest.mark.parametrize(
    ("limit", "said"),
    [("max_page_count = 2", "full.*on a disk with room"), ("query_only = 1", "readonly")],
    ids=["disk full", "not to be written to"],
)
def test_a_file_that_takes_no_more_is_an_error_and_keeps_what_it_has(
    tmp_path: Path, limit: str, said: str
) -> None:
    path = tmp_path / "scores.db"
    with ScoreStore(path, {"s": "model"}) as store:
        store("s", by_length, "kept", ["a"])
        store._database.execute(f"PRAGMA {limit}")
        with pytest.raises(InvalidInputError, match=f"scores.db cannot keep scores.*{said}"):
            store("s", by_length, "query", ["a"] * 10_000)
    with ScoreStore(path, {"s": "model"}) as store:
        assert store("s", Watched(fails_at=0), "kept", ["a"]).scores == [-1.0]


def test_a_file_that_broke_is_an_error_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "scores.db"
    with ScoreStore(path, {"s": "model"}) as store:
        store("s", by_length, "query", ["a"])
        store._database.execute("DROP TABLE answers")
        with pytest.raises(InvalidInputError, match=r"cannot keep scores.*no such table"):
            store("s", by_length, "query", ["a"])


@pytest.mark.parametrize("table", ["notes", "answers"])
def test_a_database_of_something_else_is_an_error_and_stays_as_it_is(
    tmp_path: Path, table: str
) -> None:
    file = tmp_path / "notes.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"CREATE TABLE {table} (text TEXT)")
    before = file.read_bytes()
    with pytest.raises(InvalidInputError, match="the database of another program"):
        ScoreStore(file, {})
    assert file.read_bytes() == before


def test_a_file_of_something_else_is_an_error_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear reader, " * 100)
    with pytest.raises(InvalidInputError, match="cannot keep scores"):
        ScoreStore(file, {})
    assert file.read_text() == "Dear reader, " * 100


def test_a_file_in_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="in a folder that exists"):
        ScoreStore(tmp_path / "none" / "scores.db", {})


class TestIdentity:
    def test_looks_into_the_files_and_not_at_their_dates(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        copy = shutil.copytree(tiny_model, tmp_path / "copy")
        for file in copy.iterdir():
            os.utime(file, (0, 0))
        folders = (tiny_model, copy)
        original, copied = (json.loads(Configuration(str(f)).identity()) for f in folders)
        assert original[1:] == copied[1:]

    def test_changes_with_the_models_files(self, tiny_model: Path, tmp_path: Path) -> None:
        copy = shutil.copytree(tiny_model, tmp_path / "copy")
        before = Configuration(str(copy)).identity()
        edit_json(copy / "config.json", classifier_dropout=0.1)
        assert Configuration(str(copy)).identity() != before

    def test_changes_with_every_option(self) -> None:
        identities = {
            each.identity()
            for each in (
                Configuration("embedded"),
                Configuration("embedded", {"backend": "torch"}),
                Configuration("embedded", {"precision": "bf16"}),
                Configuration("embedded", {"device": "cpu"}),
                Configuration("embedded", {"max_length": 64}),
                Configuration("embedded", {"passage_suffix": "."}),
            )
        }
        assert len(identities) == 6
        assert Configuration("embedded", {"label": None}).identity() in identities

    def test_of_a_model_that_is_not_there_is_an_error(self) -> None:
        with pytest.raises(ModelNotFoundError, match="nowhere"):
            Configuration("./nowhere").identity()


class TestConfigurations:
    def test_are_every_combination_under_names_that_tell_them(self) -> None:
        found = configurations(
            ["embedded", "org/model"], backends=["onnx", "torch"], precisions=["fp32", "bf16"]
        )
        assert list(found)[:4] == [
            "embedded onnx fp32",
            "embedded onnx bf16",
            "embedded torch fp32",
            "embedded torch bf16",
        ]
        assert len(found) == 8
        chosen = found["org/model torch bf16"]
        assert chosen.model == "org/model"
        assert chosen.options == {"backend": "torch", "precision": "bf16", "max_length": None}

    def test_of_several_lengths_say_their_length(self) -> None:
        found = configurations(["embedded"], max_lengths=[64, 128, 64])
        assert list(found) == ["embedded 64 tokens", "embedded 128 tokens"]
        assert found["embedded 64 tokens"].options["max_length"] == 64

    def test_are_called_as_the_model_where_nothing_else_differs(self) -> None:
        assert list(configurations(["a/small", "embedded"])) == ["small", "embedded"]

    def test_of_equal_last_names_are_called_by_the_whole_reference(self) -> None:
        names = list(configurations(["a/model", "b/model", "c"], precisions=["fp32", "bf16"]))
        assert names == [
            *("a/model fp32", "a/model bf16", "b/model fp32", "b/model bf16", "c fp32", "c bf16")
        ]

    def test_given_twice_are_one(self) -> None:
        assert list(configurations(["embedded", "embedded"], backends=["onnx", "onnx"])) == [
            "embedded"
        ]


def test_memory_is_that_of_scoring_in_a_process_of_its_own(
    collection: JudgedCollection,
) -> None:
    comparison = compare(collection, bm25_candidates(collection), {"length": by_length})
    configuration = Configuration("embedded", {"backend": "onnx"})
    wrong = Configuration("embedded", {"backend": "onnx", "precision": "bf16"})
    found = scoring_memory({"right": configuration, "wrong": wrong}, [comparison])
    assert found["wrong"] is None
    assert found["right"] is not None
    assert 40 < found["right"] < 600
