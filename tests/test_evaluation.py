import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation import JudgedCollection, as_table, compare, read_collection
from rerank_plugins.evaluation.__main__ import main
from rerank_plugins.evaluation.first_stage import bm25_candidates
from tests.tiny_models import save_tiny_cross_encoder, save_tiny_encoder

PASSAGES = {
    "p1": "A fox runs along the river at night.",
    "p2": "Foxes sleep under the old tree.",
    "p3": "The moon moves the water of the sea.",
    "p4": "River water is cold.",
}
QUERIES = {"q1": "Where do foxes sleep?", "q2": "river water", "q3": "zebra"}
JUDGED = [("q1", "p2", 1), ("q1", "p1", 0), ("q2", "p1", 2), ("q2", "p4", 1), ("q3", "p3", 1)]


def write_collection(folder: Path, *, packed: bool = True, judged: object = None) -> Path:
    folder.mkdir(parents=True)
    corpus = "\n".join(
        json.dumps({"_id": name, "title": "", "text": text}) for name, text in PASSAGES.items()
    )
    if packed:
        (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(corpus.encode()))
    else:
        (folder / "corpus.jsonl").write_text(corpus)
    queries = (json.dumps({"_id": name, "text": text}) for name, text in QUERIES.items())
    (folder / "queries.jsonl").write_text("\n".join(queries))
    rows = JUDGED if judged is None else judged
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in rows)]  # type: ignore[attr-defined]
    (folder / "qrels.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def collection(tmp_path: Path) -> JudgedCollection:
    return read_collection(write_collection(tmp_path / "animals"))


def by_length(query: str, passages: Sequence[str]) -> list[float]:
    return [-float(len(passage)) for passage in passages]


class TestReading:
    def test_packed_and_plain_files_read_alike(self, tmp_path: Path) -> None:
        packed = read_collection(write_collection(tmp_path / "a" / "c"))
        plain = read_collection(write_collection(tmp_path / "b" / "c", packed=False))
        assert packed == plain

    def test_the_title_stands_before_the_text(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "c", packed=False)
        (folder / "corpus.jsonl").write_text(
            '{"_id": "p1", "title": "Foxes", "text": "They run."}\n{"_id": "p2", "text": "Sun."}'
        )
        assert read_collection(folder).passages == {"p1": "Foxes They run.", "p2": "Sun."}

    def test_queries_without_a_relevant_passage_are_left_out(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "c", judged=[("q1", "p1", 0), ("q2", "p1", 1)])
        assert list(read_collection(folder).queries) == ["q2"]

    def test_a_sample_is_the_same_for_the_same_seed(self, collection: JudgedCollection) -> None:
        assert collection.sample(2, seed=1) == collection.sample(2, seed=1)
        assert len(collection.sample(2, seed=1).queries) == 2

    def test_a_sample_of_more_than_all_is_all(self, collection: JudgedCollection) -> None:
        assert collection.sample(99, seed=1) is collection

    @pytest.mark.parametrize("name", ["corpus.jsonl.gz", "queries.jsonl", "qrels.tsv"])
    def test_a_missing_file_is_an_error_that_shows_the_layout(
        self, tmp_path: Path, name: str
    ) -> None:
        folder = write_collection(tmp_path / "c")
        (folder / name).unlink()
        with pytest.raises(InvalidInputError, match="a collection is a folder with"):
            read_collection(folder)

    @pytest.mark.parametrize(
        ("line", "message"),
        [("{", "not JSON"), ("1", "JSON object"), ("{}", "lacks _id, text")],
    )
    def test_a_broken_line_is_an_error_that_names_it(
        self, tmp_path: Path, line: str, message: str
    ) -> None:
        folder = write_collection(tmp_path / "c")
        (folder / "queries.jsonl").write_text(line)
        with pytest.raises(InvalidInputError, match=f"line 1 .*{message}"):
            read_collection(folder)

    def test_a_broken_judgement_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "c", judged=[("q1", "p1", "yes")])
        with pytest.raises(InvalidInputError, match="line 2: expected query id"):
            read_collection(folder)

    def test_judgements_of_other_queries_are_an_error(self, tmp_path: Path) -> None:
        folder = write_collection(tmp_path / "c", judged=[("elsewhere", "p1", 1)])
        with pytest.raises(InvalidInputError, match="check that the ids match"):
            read_collection(folder)


class TestFirstStage:
    def test_stems_so_that_plural_and_singular_meet(self, collection: JudgedCollection) -> None:
        assert list(bm25_candidates(collection)["q1"]) == ["p2", "p1"]

    def test_passages_without_a_shared_word_are_no_candidates(
        self, collection: JudgedCollection
    ) -> None:
        assert bm25_candidates(collection)["q3"] == {}

    def test_keeps_to_the_depth(self, collection: JudgedCollection) -> None:
        assert [len(found) for found in bm25_candidates(collection, depth=1).values()] == [1, 1, 0]


class TestComparison:
    def test_measures_the_first_stage_and_every_scorer(self, collection: JudgedCollection) -> None:
        best = {"q1": "p2", "q2": "p1"}

        def judge(query: str, passages: list[str]) -> list[float]:
            name = next(name for name, text in QUERIES.items() if text == query)
            return [float(passage == PASSAGES[best[name]]) for passage in passages]

        figures = compare(collection, {"judge": judge, "length": by_length})
        assert [figure.scorer for figure in figures] == ["BM25", "judge", "length"]
        assert figures[1].mrr == pytest.approx(2 / 3)
        assert figures[1].ndcg > figures[2].ndcg
        assert {figure.queries for figure in figures} == {3}

    def test_a_query_without_candidates_counts_as_zero(self, collection: JudgedCollection) -> None:
        assert compare(collection, {})[0].mrr <= 2 / 3

    def test_reports_each_query(self, collection: JudgedCollection) -> None:
        ticks: list[None] = []
        compare(collection, {"length": by_length}, on_query=lambda: ticks.append(None))
        assert len(ticks) == 3

    def test_a_scorer_that_loses_passages_is_an_error(self, collection: JudgedCollection) -> None:
        with pytest.raises(InvalidInputError, match="one for each"):
            compare(collection, {"short": lambda query, passages: [1.0]})

    def test_the_table_has_a_row_a_collection_and_a_mean(
        self, collection: JudgedCollection
    ) -> None:
        table = as_table(compare(collection, {"length": by_length})).splitlines()
        assert table[0] == "| set | queries | BM25 | length |"
        assert table[2].startswith("| animals | 3 | ")
        assert table[3].startswith("| **mean** |")


class TestCommand:
    def test_prints_a_table_of_all_collections_and_scorers(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_collection(tmp_path / "data" / "one")
        write_collection(tmp_path / "data" / "two")
        model = save_tiny_cross_encoder(tmp_path / "cross")
        bi_encoder = save_tiny_encoder(tmp_path / "bi")
        arguments = [str(tmp_path / "data"), "--model", str(model), "--bi-encoder", str(bi_encoder)]
        assert main([*arguments, "--max-length", "32", "--sample", "2"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "| set | queries | BM25 | bi cosine | cross |"
        assert [line.split("|")[1].strip() for line in lines[2:]] == ["one", "two", "**mean**"]

    def test_measures_the_first_stage_alone(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_collection(tmp_path / "data" / "one")
        assert main([str(tmp_path / "data")]) == 0
        assert "| set | queries | BM25 |" in capsys.readouterr().out

    def test_a_folder_without_collections_is_an_error(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([str(tmp_path)]) == 2
        assert "holds no collection" in capsys.readouterr().err
