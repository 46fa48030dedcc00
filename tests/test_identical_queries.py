"""Queries that are passages of the corpus themselves, as in ArguAna and duplicate questions."""

import json
from dataclasses import replace
from pathlib import Path

import ir_datasets
import pytest
from ir_datasets.datasets.base import Dataset
from ir_datasets.datasets.beir import BeirTitleDoc
from ir_datasets.formats import TrecQrels, TrecScoredDocs, TsvDocs, TsvQueries
from ir_datasets.util import LocalDownload

from rerank_plugins.cli import main
from rerank_plugins.evaluation import JudgedCollection, compare, read_collection, read_dataset
from rerank_plugins.evaluation.datasets import StoredTitles, dataset_candidates
from rerank_plugins.evaluation.first_stage import (
    bm25_candidates,
    dense_candidates,
    fused_candidates,
    given_candidates,
    judged_candidates,
)
from rerank_plugins.evaluation.scorers import TextEncoder
from tests.test_evaluation import by_length
from tests.tiny_models import save_tiny_encoder

TITLES = {"a": "Foxes", "b": "Rivers", "c": "", "d": "Trees", "1": "Dogs"}
BODIES = {
    "a": "A fox runs along the river at night.",
    "b": "The river is cold and the fox is old.",
    "c": "An old fox sleeps  under the tree.",
    "d": "A tree by the river, and a fox.",
    "1": "A dog and a fox meet at the river.",
}
QUERIES = {
    "a": "A fox runs along the river at night.",  # the text alone
    "b": "Rivers The river is cold and the fox is old.",  # with its title
    "c": "An old fox sleeps under the tree.",  # white space tells nothing apart
    "d": "A tree by the river, and a fox.",  # judged relevant
    "1": "an old fox at the river",  # an id that both number from 1
}
JUDGED = {
    "a": {"b": 1, "a": 0},
    "b": {"a": 1, "b": 0},
    "c": {"d": 1, "c": 0},
    "d": {"d": 1, "a": 0},
    "1": {"1": 0, "c": 1},
}
IDENTICAL = {"a", "b", "c"}
RUN = {q: {p: float(n) for n, p in enumerate(reversed(BODIES))} for q in QUERIES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "arguments"
    made.mkdir()
    rows = [{"_id": name, "title": TITLES[name], "text": text} for name, text in BODIES.items()]
    (made / "corpus.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    lines = (json.dumps({"_id": name, "text": text}) for name, text in QUERIES.items())
    (made / "queries.jsonl").write_text("\n".join(lines))
    judged = (f"{q}\t{p}\t{v}\n" for q, found in JUDGED.items() for p, v in found.items())
    (made / "qrels.tsv").write_text("".join(["query-id\tcorpus-id\tscore\n", *judged]))
    return made


def own(candidates: dict[str, dict[str, float]]) -> set[str]:
    """The queries that are among their own candidates."""
    return {query for query, found in candidates.items() if query in found}


def test_a_query_is_no_candidate_of_its_own_whatever_the_first_stage(
    folder: Path, tmp_path: Path
) -> None:
    collection = read_collection(folder)
    kept = replace(collection, keep_identical=True)
    assert collection.identical == kept.identical == IDENTICAL
    encoder = TextEncoder(str(save_tiny_encoder(tmp_path / "bi")), device="cpu").passages
    for stage in (
        bm25_candidates,
        lambda each, depth=100: dense_candidates(each, encoder, depth),
        lambda each, depth=100: fused_candidates(
            [bm25_candidates(each, depth), dense_candidates(each, encoder, depth)], depth
        ),
        lambda each, depth=100: given_candidates(each, RUN, depth),
        lambda each, depth=100: judged_candidates(each),
    ):
        assert own(stage(kept)) == set(QUERIES)
        assert own(stage(collection)) == {"d", "1"}
    for depth in (1, 3):  # another passage takes the place of the query's
        for stage in (bm25_candidates, lambda each, depth: given_candidates(each, RUN, depth)):
            assert {len(found) for found in stage(collection, depth).values()} == {depth}


def test_a_first_stage_of_ones_own_is_measured_without_them_too(folder: Path) -> None:
    collection = read_collection(folder)
    scorers = {"by length": by_length}
    found = compare(collection, RUN, scorers)
    assert own(found.first_stage.run) == own(found.reranked[0].run) == {"d", "1"}
    kept = compare(replace(collection, keep_identical=True), RUN, scorers)
    assert own(kept.first_stage.run) == own(kept.reranked[0].run) == set(QUERIES)
    assert "3 of 5; they are left out of their own candidates" in found.notes[0]
    assert "3 of 5; they stay among their own candidates" in kept.notes[0]


def test_an_equal_id_or_an_equal_text_alone_means_nothing() -> None:
    passages = {"1": "water and soap", "2": "soap", "x": "old water"}
    queries = {"1": "soap", "2": "water", "3": "old water"}
    judged = {query: {"x": 1} for query in queries}
    assert JudgedCollection("c", passages, queries, judged).identical == frozenset()


@pytest.mark.parametrize("files", ["beir", "trec"])
def test_the_command_says_how_many_and_keeps_them_where_asked(
    folder: Path, files: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(folder)]
    if files == "trec":
        named = (("topics", "queries.jsonl"), ("qrels", "qrels.tsv"), ("corpus", "corpus.jsonl"))
        arguments = ["eval"]
        arguments += [f"--{name}={folder / file}" for name, file in named]
    page = tmp_path / "page.html"
    assert main([*arguments, "--html", str(page)]) == 0
    said = "3 of 5; they are left out of their own candidates."
    assert said in " ".join(capsys.readouterr().out.split())
    assert said in page.read_text()
    figures = []
    for more in ([], ["--keep-identical"]):
        runs = tmp_path / f"runs{len(more)}"
        assert main([*arguments, "--json", "--runs", str(runs), *more]) == 0
        value = json.loads(capsys.readouterr().out)["collections"][0]
        assert value["identical_queries"] == 3
        assert value["identical_queries_kept"] is bool(more)
        for file in runs.iterdir():
            lines = [line.split() for line in file.read_text().splitlines()]
            found = {line[0] for line in lines if line[0] == line[2]}
            assert found == (set(QUERIES) if more else {"d", "1"})
        figures.append(value["first_stage"]["means"]["RR@10"])
    assert figures[0] > figures[1]


@pytest.mark.parametrize("form", ["with titles", "without"])
def test_datasets_of_the_catalogue_too(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "home"))
    run = tmp_path / "run"
    lines = (f"{q} Q0 {p} 0 {score} x\n" for q, found in RUN.items() for p, score in found.items())
    run.write_text("".join(lines))
    titled = form == "with titles"
    made = {
        "docs": (f"{name}\t{text}\t{TITLES[name]}\n" for name, text in BODIES.items())
        if titled
        else (f"{name}\t{text}\n" for name, text in BODIES.items()),
        "queries": (f"{name}\t{text}\n" for name, text in QUERIES.items()),
        "qrels": (f"{q} 0 {p} {v}\n" for q, found in JUDGED.items() for p, v in found.items()),
    }
    for name, rows in made.items():
        (tmp_path / name).write_text("".join(rows))
    docs = LocalDownload(tmp_path / "docs")
    parts = [
        TsvDocs(docs, doc_cls=BeirTitleDoc) if titled else TsvDocs(docs),
        TsvQueries(LocalDownload(tmp_path / "queries")),
        TrecQrels(LocalDownload(tmp_path / "qrels"), {}),
    ]
    known = Dataset(*parts, TrecScoredDocs(LocalDownload(run)))
    monkeypatch.setitem(ir_datasets.registry._registered, "made/test", known)
    collection = read_dataset("made/test")
    identical = IDENTICAL if titled else IDENTICAL - {"b"}
    assert collection.identical == identical
    assert isinstance(collection.titles, StoredTitles)
    found = dataset_candidates("made/test", collection, 100)
    assert found is not None
    assert own(found) == set(QUERIES) - identical
    assert own(bm25_candidates(collection)) == set(QUERIES) - identical
    kept = dataset_candidates("made/test", replace(collection, keep_identical=True), 100)
    assert kept is not None
    assert own(kept) == set(QUERIES)
