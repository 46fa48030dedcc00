"""`rerank eval`: what it measures is what the library measures; what it cannot do, it says."""

import json
import re
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.cli import main
from rerank_plugins.evaluation import compare, read_collection
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.evaluation.scorers import scorer_function
from tests.test_evaluation import write_collection
from tests.tiny_models import save_tiny_encoder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_collection(folder / "one")
    write_collection(folder / "two")
    return folder


@pytest.fixture(scope="module")
def bi_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_encoder(tmp_path_factory.mktemp("bi") / "bi")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_json_is_what_the_library_measures(
    data: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", str(data / "one"), "--model", str(tiny_model), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    collection = read_collection(data / "one")
    with CrossEncoderScorer(tiny_model) as scorer:
        wanted = compare(collection, bm25_candidates(collection), {"tiny": scorer_function(scorer)})
    assert [each["collection"] for each in value] == ["one"]
    assert value[0]["reranked"][0]["by_query"] == wanted.reranked[0].values
    assert value[0]["first_stage"]["by_query"] == wanted.first_stage.values


def test_tables_show_every_collection_and_scorer_within_80_columns(
    data: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", str(data), "-m", str(tiny_model), "-m", "embedded"]) == 0
    captured = capsys.readouterr()
    out = captured.out
    assert captured.err == ""
    assert all(len(line) <= 80 for line in out.splitlines())
    for name in ("one", "two"):
        assert f"{name}: 3 queries, 4 passages, 100 candidates a query" in out
    assert len(re.findall(rf"^ ?{tiny_model.name} .* ms", out, re.MULTILINE)) == 2
    assert len(re.findall(r"^ ?embedded .* ms", out, re.MULTILINE)) == 2
    assert "The first stage found" in out
    assert re.search(r"^ ?mean +[\d.]+ +[\d.]+ +[\d.]+", out, re.MULTILINE)


def test_the_curve_over_depth(
    data: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(data / "one"), "-m", str(tiny_model), "--depth", "20", "--curve"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    table = out[out.index("depth: ") :]
    assert re.search(r"^ ?first stage +[\d.]+ *$", table, re.MULTILINE)
    for depth in (10, 20):
        assert re.search(rf"^ ?{depth} +[\d.]+ +[\d.]+ +\d+ ms", table, re.MULTILINE)
    assert main([*arguments, "--json"]) == 0
    curve = json.loads(capsys.readouterr().out)[0]["reranked"][0]["curve"]
    assert [point["depth"] for point in curve] == [0, 10, 20]


def test_markdown(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(data), "--sample", "2", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| set | queries | bm25 | embedded |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["one", "two", "**mean**"]


@pytest.mark.parametrize("stage", ["dense", "fused", "judged"])
def test_other_first_stages(
    data: Path, bi_encoder: Path, stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(data / "one"), "--first-stage", stage, "--json"]
    assert main([*arguments, "--bi-encoder", str(bi_encoder)]) == 0
    value = json.loads(capsys.readouterr().out)[0]
    assert value["first_stage"]["name"] == stage
    assert [each["name"] for each in value["reranked"]] == ["bi cosine", "embedded"]


def test_a_run_goes_in_and_runs_come_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "mine.run"
    given.write_text("q1 Q0 p1 1 2.0 x\nq1 Q0 p2 2 1.0 x\nq2 Q0 p4 1 1.0 x\n")
    folder = tmp_path / "runs"
    arguments = ["eval", str(data / "one"), "--run", str(given), "--runs", str(folder), "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)[0]["first_stage"]["name"] == "mine.run"
    rows = [line.split() for line in (folder / "one.embedded.run").read_text().splitlines()]
    assert {(row[0], row[2]) for row in rows} == {("q1", "p1"), ("q1", "p2"), ("q2", "p4")}
    assert [row[3] for row in rows] == ["1", "2", "1"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{data}/one", "--json", "--markdown"], 2, "exclude each other"),
        (["{data}", "--run", "r"], 2, "--run is of one collection"),
        (["{data}/one", "--first-stage", "dense"], 2, "need --bi-encoder"),
        (["{data}/one", "--depth", "0"], 2, "--depth"),
        ([], 2, "Missing argument"),
        (["{data}/one/none"], 1, "is no collection and holds none"),
        (["{data}/one", "--run", "{data}/none.run"], 1, "cannot read"),
        (["{data}/one", "--model", "./nowhere"], 1, "There is no directory './nowhere'"),
    ],
)
def test_what_cannot_be_done(
    data: Path,
    arguments: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["eval", *(argument.format(data=data) for argument in arguments)]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in " ".join(captured.err.replace("│", " ").split())
