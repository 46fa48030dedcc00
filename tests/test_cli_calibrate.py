"""`rerank calibrate`: from a judged collection to a file that rankings take."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from rerank_plugins import Reranker
from rerank_plugins.calibration.file import read_calibrations
from rerank_plugins.cli import main
from rerank_plugins.demo import load_corpus, load_questions
from tests.test_cli_streams import run as in_a_shell
from tests.test_evaluation import write_collection


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's corpus and questions in BEIR's layout, each with one passage judged."""
    folder = tmp_path_factory.mktemp("data") / "demo"
    folder.mkdir()
    passages = [{"_id": each.id, "title": each.title, "text": each.text} for each in load_corpus()]
    asked = [{"_id": str(n), "text": each.query} for n, each in enumerate(load_questions())]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, passages)))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    rows = [f"{n}\t{each.answer}\t1" for n, each in enumerate(load_questions())]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]) + "\n")
    return folder


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scores") / "scores.sqlite"


def run(collection: Path, scores: Path, *more: object) -> int:
    """The command on the first eight candidates, which are scored once for all tests."""
    typed = ["calibrate", collection, "--depth", 8, "--resume", scores, *more]
    return main([str(each) for each in typed])


def test_the_file_is_one_that_rankings_take(
    collection: Path, scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "calibration.json", tmp_path / "report.html"
    assert run(collection, scores, "--output", file, "--html", page) == 0
    captured = capsys.readouterr()
    said = " ".join(captured.out.split())
    assert "candidates of 50 queries, " in said
    assert "keeps a relevant passage for at least 90% of the queries" in said
    assert "threshold" in captured.out
    assert f"note: written to {file}; use it with --calibration {file}" in captured.err
    assert f"--output {file}" in page.read_text()
    (found,) = read_calibrations(file)
    assert (found.name, found.first_stage_weight) == ("embedded", 0.0)
    assert found.fitted_on["collections"] == ["demo"]
    assert found.fitted_on["depth"] == 8
    with Reranker.from_options(model="embedded", calibration=file, scale="calibrated") as reranker:
        ranking = reranker.rank("why is the sky blue", ["Air scatters blue light.", "Rice."])
    assert ranking[0].score > ranking[1].score
    assert run(collection, scores, "--first-stage-weight", "auto", "--output", file) == 0
    assert [each.first_stage_weight for each in read_calibrations(file)] == [0.0, 1.0]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes in a shell")
def test_a_reader_that_goes_away_costs_no_file(
    collection: Path, scores: Path, tmp_path: Path
) -> None:
    file, page = tmp_path / "calibration.json", tmp_path / "report.html"
    typed = ("calibrate", collection, "--depth", 8, "--resume", scores)
    in_a_shell(*typed, "--output", file, "--html", page, closed="| true")
    assert len(read_calibrations(file)) == 1
    assert "</html>" in page.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_page_that_cannot_be_written_costs_neither_the_file_nor_the_tables(
    collection: Path, scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "calibration.json"
    assert run(collection, scores, "--output", file, "--html", "/dev/full") == 1
    captured = capsys.readouterr()
    assert "threshold" in captured.out
    assert f"note: written to {file}; use it with --calibration {file}" in captured.err
    assert captured.err.endswith("error: cannot write /dev/full: No space left on device.\n")
    assert len(read_calibrations(file)) == 1


def test_json_has_the_figures_and_nothing_is_written_without_a_file(
    collection: Path, scores: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(collection, scores, "--json", "--keep", "0.8") == 0
    captured = capsys.readouterr()
    value = json.loads(captured.out)
    assert value["threshold"]["keeps"] == 0.8
    assert value["calibration_error"][0] < value["calibration_error_of_the_sigmoid"]
    assert "nothing is written; add --output FILE" in captured.err


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--judged-only"], 1, "--judged-only leaves out what nobody judged, and every candidate"),
        (["--sample", "5"], 1, "a calibration needs 10 or more of each, and there are only"),
        (["--first-stage", "judged"], 2, "takes all judged passages; leave out --depth."),
        (["--first-stage", "dense"], 2, "--first-stage dense and fused need --bi-encoder, for"),
        (
            ["--run", "x.run", "--first-stage", "bm25"],
            2,
            "--run is a first stage itself; leave out",
        ),
        (["--output", "/absent/x.json"], 1, "there is no folder /absent to write x.json in."),
    ],
)
def test_what_cannot_be_calibrated_is_an_error_that_says_what_to_do(
    more: list[str],
    code: int,
    says: str,
    collection: Path,
    scores: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(collection, scores, *more) == code
    assert says in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_file_of_something_else_is_not_written_over(
    collection: Path, scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.json"
    file.write_text("{}")
    assert run(collection, scores, "--output", file) == 1
    assert "it has no 'format'" in capsys.readouterr().err
    assert file.read_text() == "{}"


def test_an_evaluation_says_how_far_off_a_calibration_is(
    collection: Path, scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "calibration.json"
    assert run(collection, scores, "--output", file) == 0
    capsys.readouterr()
    page = tmp_path / "page.html"
    other = shutil.copytree(collection, tmp_path / "other")
    typed = ["eval", collection, other, "--depth", 8, "--resume", scores, "--html", page]
    typed = [str(each) for each in [*typed, "--calibration", file]]
    assert main(typed) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Points off: by how much probability and relevant share differ" in said
    assert "all together" in said
    assert "What scores mean" in page.read_text()
    assert main([*typed, "--json"]) == 0
    (rows,) = json.loads(capsys.readouterr().out)["calibration"].values()
    for errors in rows.values():
        assert errors["calibrated"]["error"] < errors["sigmoid"]["error"]
    assert main([*typed, "--markdown"]) == 0
    assert "| calibration of embedded |" in capsys.readouterr().out
    assert main([*typed, "--long-passages", "truncate", "--max-length", "99"]) == 1
    assert (
        "this scorer has --long-passages truncate, --max-length 99. Set --long-passages windows, "
        "--max-windows 24, --window-overlap 48, --window-tokens 192. Leave --max-length out."
    ) in " ".join(capsys.readouterr().err.split())
    assert main([*typed, "--first-stage-weight", "2"]) == 1
    assert "fitted with --first-stage-weight 0 (0 is none), and these scores have 2. Leave" in (
        " ".join(capsys.readouterr().err.split())
    )


def test_a_collection_without_candidates_has_no_errors_and_costs_no_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = write_collection(tmp_path / "nothing", judged=[("q3", "p3", 1)])
    typed = ["eval", nothing, write_collection(tmp_path / "some"), "--calibration", "auto"]
    typed = [str(each) for each in [*typed, "--resume", tmp_path / "scores.sqlite"]]
    page = tmp_path / "page.html"
    assert main([*typed, "--json", "--html", str(page)]) == 0
    (rows,) = json.loads(capsys.readouterr().out)["calibration"].values()
    assert rows["nothing"] is None
    assert rows["all together"] == rows["some"]
    assert "no candidates" in page.read_text()
    assert main([*typed, "--markdown"]) == 0
    assert "| nothing | no candidates |" in capsys.readouterr().out
    assert main(typed) == 0
    assert "no candidates" in capsys.readouterr().out
