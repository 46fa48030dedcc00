"""One reader for passages: `rank`, `rank --corpus`, `eval` and `train` read the same texts."""

import csv
import gzip
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rerank_plugins.cli import main
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation import read_collection, unmatched_ids
from rerank_plugins.evaluation.first_stage import given_candidates
from rerank_plugins.fine_tuning import read_training_data
from rerank_plugins.formats.candidates import read_passages
from rerank_plugins.formats.documents import read_corpus, read_queries
from rerank_plugins.formats.lines import read_lines

Texts = dict[str, str]


def by_rank(folder: Path) -> Texts:
    found = read_passages(str(folder / "corpus.jsonl"))
    return {str(passage.id): passage.text for passage in found}


def by_rank_of_a_run(folder: Path) -> Texts:
    return read_corpus(str(folder / "corpus.jsonl"))


def by_eval(folder: Path) -> Texts:
    return dict(read_collection(folder).passages)


def by_train(folder: Path) -> Texts:
    """The texts that training data have, under the ids that the judgements give them."""
    data = read_training_data(folder)
    queries = {question.query: question.answers for question in data.questions}
    return {name.removeprefix("about "): answers[0] for name, answers in queries.items()}


DOORS = [by_rank, by_rank_of_a_run, by_eval, by_train]


def folder_of(folder: Path, rows: list[dict[str, Any]], ids: list[str]) -> Path:
    """A collection of those rows in which each passage answers a question about its id."""
    folder.mkdir()
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries = [{"_id": f"q{name}", "text": f"about {name}"} for name in ids]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels.tsv").write_text("".join(f"q{name}\t{name}\t1\n" for name in ids))
    return folder


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"_id": "1", "title": "Soap", "text": "It foams."}, "Soap It foams."),
        ({"id": "1", "title": "Soap", "contents": "It foams."}, "Soap It foams."),
        ({"docid": "1", "title": "Soap", "passage": "It foams."}, "Soap It foams."),
        ({"id": 1, "contents": "It foams."}, "It foams."),
        ({"_id": "1", "title": None, "text": "It foams."}, "It foams."),
        ({"_id": "1", "title": float("nan"), "text": "It foams."}, "It foams."),
        ({"_id": "1", "title": 7, "text": "It foams."}, "It foams."),
        ({"_id": "1", "title": ["Soap"], "text": "It foams."}, "It foams."),
        ({"_id": "1", "title": " ", "text": " It foams. "}, "It foams."),
        ({"_id": "1", "id": "x", "text": "It foams."}, "It foams."),
        ({"_id": "1", "text": None, "contents": "It foams."}, "It foams."),
        ({"_id": None, "id": "1", "text": "It foams."}, "It foams."),
        ({"_id": {"$oid": "x"}, "id": "1", "text": "It foams."}, "It foams."),
    ],
)
def test_every_command_reads_the_same_passage_of_a_row(
    tmp_path: Path, door: Callable[[Path], Texts], row: dict[str, Any], text: str
) -> None:
    assert door(folder_of(tmp_path / "soap", [row], ["1"])) == {"1": text}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "row", [{"_id": "1", "body": "It foams."}, {"_id": "1", "text": 7}, {"_id": "1", "text": ["a"]}]
)
def test_a_row_without_a_text_is_the_same_error_in_every_command(
    tmp_path: Path, door: Callable[[Path], Texts], row: dict[str, Any]
) -> None:
    folder = folder_of(tmp_path / "soap", [{"_id": "0", "text": "a"}, row], ["0"])
    said = r"corpus.jsonl, line 2 needs a string under one of text, contents, passage; it has '_id'"
    with pytest.raises(InvalidInputError, match=said):
        door(folder)


@pytest.mark.parametrize("door", DOORS[1:])
@pytest.mark.parametrize("id", [None, float("nan"), ["1"], True])
def test_a_row_without_an_id_is_the_same_error_where_ids_are_needed(
    tmp_path: Path, door: Callable[[Path], Texts], id: object
) -> None:
    folder = folder_of(tmp_path / "soap", [{"id": id, "text": "It foams."}], ["1"])
    with pytest.raises(InvalidInputError, match=r"line 1 has no id. Give each document an id"):
        door(folder)


@pytest.mark.parametrize("id", ["_id", "id", "qid", "query_id"])
@pytest.mark.parametrize("text", ["text", "query", "question"])
def test_eval_reads_queries_by_the_names_that_rank_reads_them_by(
    tmp_path: Path, id: str, text: str
) -> None:
    folder = folder_of(tmp_path / "soap", [{"_id": "1", "text": "It foams."}], ["1"])
    (folder / "queries.jsonl").write_text(json.dumps({id: "q1", text: "why"}))
    assert read_queries(str(folder / "queries.jsonl")) == {"q1": "why"}
    assert read_collection(folder).queries == {"q1": "why"}


ROWS = [
    {"id": "d1", "title": "Soap", "text": 'It "foams", and\nit cleans.'},
    {"id": "d2", "title": "", "text": "Hard water; grey scum"},
]
READ = {"d1": 'Soap It "foams", and\nit cleans.', "d2": "Hard water; grey scum"}


def table(separator: str, names: tuple[str, ...] = ("id", "title", "text")) -> str:
    """The rows as a spreadsheet or pandas writes them."""
    written = io.StringIO()
    lines = csv.writer(written, delimiter=separator)
    lines.writerow(names)
    lines.writerows(row.values() for row in ROWS)
    return written.getvalue()


class TestTables:
    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    @pytest.mark.parametrize("name", ["p", "p.csv", "p.tsv.gz"])
    def test_a_header_that_names_a_column_of_texts_makes_a_table(
        self, tmp_path: Path, separator: str, name: str
    ) -> None:
        content = table(separator).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        assert {row.id: row.text for row in read_passages(str(path))} == READ
        assert read_corpus(str(path)) == READ

    def test_standard_input_is_read_as_a_table_too(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table(",").encode())))
        assert main(["rank", "why", "-", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert {row["id"]: row["text"] for row in found} == READ

    def test_capitals_and_spaces_in_a_header_do_not_matter(self, tmp_path: Path) -> None:
        (tmp_path / "p.csv").write_text('ID, Title, Text\n1, Soap, "It foams, and cleans."\n')
        assert read_corpus(str(tmp_path / "p.csv")) == {"1": "Soap It foams, and cleans."}

    def test_a_table_may_have_one_column_if_the_file_is_called_one(self, tmp_path: Path) -> None:
        (tmp_path / "p.csv").write_text('text\n"Soap, too"\nWater\n')
        assert [row.text for row in read_passages(str(tmp_path / "p.csv"))] == [
            "Soap, too",
            "Water",
        ]

    @pytest.mark.parametrize("separator", [",", "\t"])
    def test_a_text_may_be_long(self, tmp_path: Path, separator: str) -> None:
        text = "Soap, water. " * 20_000 + "End"
        (tmp_path / "p").write_text(f'id{separator}text\n1{separator}"{text}"\n')
        csv.field_size_limit(131_072)  # Python's own, which a table read before has raised
        assert [row.text for row in read_passages(str(tmp_path / "p"))] == [text]

    def test_queries_may_be_a_table(self, tmp_path: Path) -> None:
        (tmp_path / "q.tsv").write_text("qid\tquery\n1\twhy\n")
        assert read_queries(str(tmp_path / "q.tsv")) == {"1": "why"}

    def test_text_that_looks_a_little_like_a_header_is_text(self, tmp_path: Path) -> None:
        lines = ["The id, the title, and text", "text", "soap;water", "a\rb, text"]
        (tmp_path / "p.txt").write_text("\n".join(lines), newline="")
        assert [row.text for row in read_passages(str(tmp_path / "p.txt"))] == lines

    @pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.csv.gz", "p.TSV"])
    def test_a_table_without_a_column_of_texts_is_refused_with_what_to_type(
        self, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / name
        content = b"nr,body\n1,It foams.\n"
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        assert main(["rank", "why", str(path)]) == 1
        error = capsys.readouterr().err
        assert "no column in its first line is called text or contents or passage" in error
        assert error.endswith(f" rank QUERY {path} --format lines\n")
        assert [row.text for row in read_passages(str(path), "lines")] == ["nr,body", "1,It foams."]

    def test_a_header_of_ids_alone_is_refused_whatever_the_file_is_called(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "p").write_text("id,body\n1,It foams.\n")
        for read in (read_passages, read_corpus):
            with pytest.raises(InvalidInputError, match="no column in its first line is called"):
                read(str(tmp_path / "p"))

    @pytest.mark.parametrize(
        ("row", "said"),
        [
            ("1,It foams, and cleans.", "line 3 has 3 cells, but the header has 2"),
            ('1,"It foams', "line 3 is not a row of CSV: unexpected end of data"),
            ('1,"It" foams', "line 3 is not a row of CSV"),
        ],
    )
    def test_a_broken_row_is_an_error_that_names_it(
        self, tmp_path: Path, row: str, said: str
    ) -> None:
        (tmp_path / "p").write_text(f'id,text\n0,"a"\n{row}\n')
        with pytest.raises(InvalidInputError, match=said):
            read_passages(str(tmp_path / "p"))


class TestLines:
    def test_a_carriage_return_alone_is_text_and_before_a_line_feed_is_none(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "p").write_bytes(b"soap\rfoams\r\nwater\n\rgrease")
        assert list(read_lines(tmp_path / "p")) == ["soap\rfoams", "water", "\rgrease"]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
    @pytest.mark.parametrize("packed", [False, True])
    def test_utf_16_is_named_with_what_converts_it(
        self, tmp_path: Path, encoding: str, packed: bool
    ) -> None:
        content = "soap\n".encode(encoding)
        (tmp_path / "p").write_bytes(gzip.compress(content) if packed else content)
        with pytest.raises(InvalidInputError, match=r"is UTF-16 text.*iconv -f UTF-16 -t UTF-8"):
            list(read_lines(tmp_path / "p"))


class TestPairs:
    @pytest.mark.parametrize(
        ("row", "field", "value"),
        [
            ({"query": "q", "positive": {"docid": "1", "text": "a"}}, "positive", "dict {'docid'"),
            ({"query": "q", "positive": ["a", 1]}, "positive", "int 1"),
            ({"query": "q", "positive": [["a"]]}, "positive", "list"),
            ({"query": ["q"], "positive": "a"}, "query", "list"),
            ({"query": "q", "positive": "a", "negatives": {"b": 1}}, "negatives", "dict"),
            ({"query": "q", "positive": "a", "negatives": "b", "negative": 1}, None, ""),
            ({"query": "q", "positive": "a", "negative": [None]}, "negative", "NoneType None"),
        ],
    )
    def test_only_strings_and_lists_of_strings_are_texts(
        self, tmp_path: Path, row: dict[str, Any], field: str | None, value: str
    ) -> None:
        path = tmp_path / "pairs.jsonl"
        path.write_text('{"query": "q", "positive": "a"}\n' + json.dumps(row))
        if field is None:
            assert read_training_data(path).questions[0].negatives == ("b",)
            return
        with pytest.raises(InvalidInputError) as caught:
            read_training_data(path)
        assert f"{path}, line 2: expected" in str(caught.value)
        assert f"{field!r} holds {value}" in str(caught.value)

    @pytest.mark.parametrize("command", ["train", "compile"])
    def test_every_command_refuses_a_dictionary_in_the_same_words(
        self, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = tmp_path / "source"
        source.mkdir()
        path = source / "pairs.jsonl"
        path.write_text(json.dumps({"query": "q", "positive": {"docid": "1", "text": "a"}}))
        said = f"{path}, line 1: expected .*; 'positive' holds dict"
        output = ["-o", str(tmp_path / "out")]
        arguments = {
            "train": ["train", str(path)],
            "compile": ["compile", "embedded", "--precision", "int8", "--calibration", str(path)],
        }
        assert main([*arguments[command], *output]) == 1
        assert re.search(said, capsys.readouterr().err)

    @pytest.mark.parametrize("name", ["negatives", "negative"])
    def test_null_negatives_are_none(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "pairs.jsonl"
        path.write_text(json.dumps({"query": "q", "positive": "a", name: None}))
        assert read_training_data(path).questions[0].negatives == ()


class TestIds:
    """Ids such as 1.0, which pandas writes for a column with a gap, are no other file's 1."""

    ROWS: ClassVar = [{"_id": 1.0, "text": "It foams."}, {"_id": 2.0, "text": "Hard water"}]

    def test_eval_shows_an_id_of_each_file_that_does_not_fit(self, tmp_path: Path) -> None:
        folder = folder_of(tmp_path / "soap", self.ROWS, ["1"])
        collection = read_collection(folder)
        said = "for example '1'; check that the ids match: a passage's is for example '1.0'"
        with pytest.raises(InvalidInputError, match=said):
            unmatched_ids(collection)
        with pytest.raises(InvalidInputError, match=r"no such passage, but for example '1\.0'"):
            given_candidates(collection, {"q1": {"1": 1.0}})
        with pytest.raises(InvalidInputError, match=r"for example 'q1', in the run '1\.0'"):
            given_candidates(collection, {"1.0": {"1": 1.0}})
        (folder / "qrels.tsv").write_text("1\t1\t1\n")
        said = "check that the ids match: a query's is for example 'q1', in the qrels '1'"
        with pytest.raises(InvalidInputError, match=said):
            read_collection(folder)

    def test_eval_shows_an_id_where_only_some_do_not_fit(self, tmp_path: Path) -> None:
        folder = folder_of(tmp_path / "soap", [*self.ROWS, {"_id": "3", "text": "a"}], ["1", "3"])
        with (folder / "qrels.tsv").open("a") as lines:
            lines.write("q9\t3\t1\n")
        lost, unknown = unmatched_ids(read_collection(folder))
        assert "for example '1' (a passage's id is for example '1.0'); they count as" in lost
        assert "for example 'q9' (a query's id is for example 'q1'); they are left out" in unknown

    @pytest.mark.parametrize("kind", ["queries", "documents"])
    def test_rank_shows_an_id_of_the_file_that_lacks_it(
        self, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rows = tmp_path / "rows.jsonl"
        rows.write_text("".join(json.dumps(row) + "\n" for row in self.ROWS))
        (tmp_path / "run").write_text(f"{'1' if kind == 'queries' else '1.0'} Q0 1 1 2 a\n")
        arguments = ["rank", f"--run={tmp_path / 'run'}", f"--queries={rows}", f"--corpus={rows}"]
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert f"1 of the 1 {kind} in " in error
        assert "for example '1'; an id there is, for example, '1.0'" in error
