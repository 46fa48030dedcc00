"""`rerank eval`: what it measures is what the library measures; what it cannot do, it says."""

import json
import re
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.cli import main
from rerank_plugins.evaluation import compare, read_collection
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.messages.commands import install_command
from tests.test_evaluation import JUDGED, PASSAGES, QUERIES, write_collection
from tests.tiny_models import save_tiny_cross_encoder, save_tiny_encoder

CARD = "cross-encoder/ms-marco-MiniLM-L4-v2"
GIVEN = ["q1 Q0 p1 1 2.0 x\n", "q1 Q0 p2 2 1.0 x\n", "q2 Q0 p4 1 1.0 x\n"]


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc or /dev/full")


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
    arguments = ["eval", str(data / "one"), "--model", str(tiny_model), "--json"]
    assert main(arguments) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["environment"]["command"] == " ".join(["rerank", *arguments])
    assert value["peak_megabytes"] == {}
    value = value["collections"]
    collection = read_collection(data / "one")
    with CrossEncoderScorer(tiny_model) as scorer:
        wanted = compare(collection, bm25_candidates(collection), {"tiny": scorer})
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
        assert f"{name}: 3 queries, 4 passages, 100 candidates per query" in out
    for name in (tiny_model.name, "embedded"):  # a line a collection, and one for the trade-off
        assert len(re.findall(rf"^ ?{name} .* ms", out, re.MULTILINE)) == 3
    assert "The first stage found" in out
    assert re.search(r"^ ?mean +[\d.]+ +[\d.]+ +[\d.]+", out, re.MULTILINE)
    assert "best for its time" in out
    assert re.search(rf"from {tiny_model.name} +mean .*\n[^\n]*\n? ?embedded +[+-]", out)
    assert "MRR@10" in out


def test_the_curve_over_depth(
    data: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(data / "one"), "-m", str(tiny_model), "--curve"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    table = out[out.index("depth: ") :]
    assert re.search(r"^ ?first stage +[\d.]+ *$", table, re.MULTILINE)
    for depth in (10, 20, 30, 50, 100, 200):
        assert re.search(rf"^ ?{depth} +[\d.]+ +[\d.]+ +\d+ ms", table, re.MULTILINE)
    assert main([*arguments, "--json"]) == 0
    curve = json.loads(capsys.readouterr().out)["collections"][0]["reranked"][0]["curve"]
    assert [point["depth"] for point in curve] == [0, 10, 20, 30, 50, 100, 200]


def test_markdown_has_the_verdict_and_a_table(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", str(data), "--sample", "2", "--markdown"]) == 0
    verdict, table, *_ = capsys.readouterr().out.split("\n\n")
    assert "Reranking takes" in verdict
    lines = table.splitlines()
    assert lines[0] == "| set | queries | bm25 | embedded |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["one", "two", "**mean**"]


@pytest.mark.parametrize("stage", ["dense", "fused", "judged"])
def test_other_first_stages(
    data: Path, bi_encoder: Path, stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(data / "one"), "--first-stage", stage, "--json"]
    assert main([*arguments, "--bi-encoder", str(bi_encoder)]) == 0
    value = json.loads(capsys.readouterr().out)["collections"][0]
    assert value["first_stage"]["name"] == stage
    assert [each["name"] for each in value["reranked"]] == ["bi cosine", "embedded"]
    assert value["depth"] == (2 if stage == "judged" else 100)


def test_a_run_goes_in_and_runs_come_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "mine.run"
    given.write_text("".join(GIVEN))
    folder = tmp_path / "runs"
    arguments = ["eval", str(data / "one"), "--run", str(given), "--runs", str(folder), "--json"]
    assert main(arguments) == 0
    value = json.loads(capsys.readouterr().out)["collections"][0]
    assert value["first_stage"]["name"] == "mine.run"
    rows = [line.split() for line in (folder / "one.embedded.run").read_text().splitlines()]
    assert {(row[0], row[2]) for row in rows} == {("q1", "p1"), ("q1", "p2"), ("q2", "p4")}
    assert [row[3] for row in rows] == ["1", "2", "1"]
    first_stage = (folder / "one.mine.run").read_text().splitlines()
    assert [line.split()[:4] for line in first_stage] == [line.split()[:4] for line in GIVEN]


def test_names_of_a_users_files_choose_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for name in ("mine", "judged", "scoreddocs", "embedded.run"):
        given = tmp_path / name
        given.write_text("".join(GIVEN))
        runs = tmp_path / f"runs of {name}"
        arguments = ["eval", str(data / "one"), "--run", str(given), "--runs", str(runs)]
        assert main([*arguments, "--json"]) == 0
        value = json.loads(capsys.readouterr().out)["collections"][0]
        assert value["first_stage"].pop("name") == name
        assert value["depth"] == 100
        assert "R@100" in value["first_stage"]["means"]
        texts = sorted(file.read_text() for file in runs.iterdir())
        assert len(texts) == 2
        found.append((value["first_stage"], texts))
    assert all(each == found[0] for each in found)


def test_a_model_named_like_the_bi_encoders_cosine_is_measured_beside_it(
    data: Path,
    bi_encoder: Path,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / f"{bi_encoder.name} cosine")
    arguments = ["eval", str(data / "one"), "-m", str(model), "--bi-encoder", str(bi_encoder)]
    assert main([*arguments, "--json"]) == 0
    reranked = json.loads(capsys.readouterr().out)["collections"][0]["reranked"]
    assert [order["name"] for order in reranked] == ["bi cosine (bi-encoder)", "bi cosine"]


XML_TOPICS = """<?xml version="1.0"?>
<topics task="animals">
<topic number="q1" type="faceted">
  <query>Where do foxes sleep?</query>
  <description>Something else.</description>
</topic>
<topic number="q2"><query>river &#119;ater</query></topic>
<topic><num>q3</num><title>zebra</title></topic>
</topics>
"""
TOPICS = """
<top>
<num> Number: q1
<title> Topic: Where do foxes sleep?

<desc> Description:
Something else.
</top>
<top><num> q2 </num><title> river water </title></top>
<TOP>
<NUM>q3
<DESC>zebra
</TOP>
"""


@pytest.mark.parametrize("form", ["topics", "xml", "tsv", "jsonl"])
def test_trec_files_are_the_collection_that_they_describe(
    data: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    topics, qrels, corpus = (tmp_path / name for name in ("topics", "qrels", "corpus"))
    if form == "topics":
        topics.write_text(TOPICS)
    elif form == "xml":
        topics.write_text(XML_TOPICS)
    elif form == "tsv":
        topics.write_text("".join(f"{name}\t{text}\n" for name, text in QUERIES.items()))
    else:
        topics.write_bytes((data / "one" / "queries.jsonl").read_bytes())
    if form == "jsonl":
        corpus.write_bytes((data / "one" / "corpus.jsonl.gz").read_bytes())
    else:
        lines = (f"{name}\t{text}\n" for name, text in PASSAGES.items())
        corpus.write_text("".join(["\n", *lines]))
    qrels.write_text("".join(f"{query} 0 {passage} {value}\n" for query, passage, value in JUDGED))
    files = ["--topics", str(topics), "--qrels", str(qrels), "--corpus", str(corpus)]
    assert main(["eval", *files, "--json"]) == 0
    trec = json.loads(capsys.readouterr().out)["collections"][0]
    assert main(["eval", str(data / "one"), "--json"]) == 0
    beir = json.loads(capsys.readouterr().out)["collections"][0]
    assert trec["collection"] == "topics"
    assert trec["first_stage"] == beir["first_stage"]
    assert trec["reranked"][0]["by_query"] == beir["reranked"][0]["by_query"]


def test_models_backends_and_precisions_are_combined_and_impossible_ones_left_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.html"
    arguments = ["--backend", "onnx", "--backend", "torch", "--precision", "fp32"]
    arguments += ["--precision", "bf16", "--json", "--html", str(report)]
    assert main(["eval", str(data / "one"), *arguments]) == 0
    captured = capsys.readouterr()
    value = json.loads(captured.out)
    names = [each["name"] for each in value["collections"][0]["reranked"]]
    assert names == ["embedded onnx fp32", "embedded torch fp32", "embedded torch bf16"]
    assert {each["name"] for each in value["tradeoffs"]} == set(names)
    assert "warning: embedded onnx bf16 is left out:" in captured.err
    html = report.read_text(encoding="utf-8")
    assert all(name in html for name in names)
    assert "<mark>" in html


def test_a_backend_that_is_not_installed_is_left_out(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # as where it is not installed
    arguments = ["--backend", "openvino", "--backend", "onnx", "--json"]
    assert main(["eval", str(data / "one"), *arguments]) == 0
    captured = capsys.readouterr()
    reranked = json.loads(captured.out)["collections"][0]["reranked"]
    assert [each["name"] for each in reranked] == ["embedded onnx"]
    assert "warning: embedded openvino is left out: " in captured.err
    assert install_command("openvino") in " ".join(captured.err.split())


def test_a_model_with_several_columns_is_measured_by_the_one_that_is_named(
    data: Path, three_column_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(data / "one"), "-m", str(three_column_model), "--json"]
    assert main([*arguments, "--label", "exact"]) == 0
    by_name = json.loads(capsys.readouterr().out)["collections"]
    assert main([*arguments, "--label", "2"]) == 0
    by_index = json.loads(capsys.readouterr().out)["collections"]
    assert by_name[0]["reranked"][0]["by_query"] == by_index[0]["reranked"][0]["by_query"]


def test_several_lengths_are_compared_under_names_that_say_them(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = ["--max-length", "8", "--max-length", "64"]
    assert main(["eval", str(data / "one"), *lengths, "--json"]) == 0
    reranked = json.loads(capsys.readouterr().out)["collections"][0]["reranked"]
    assert [each["name"] for each in reranked] == ["embedded 8 tokens", "embedded 64 tokens"]
    assert reranked[0]["cut"]["passages"] > reranked[1]["cut"]["passages"]
    assert main(["eval", str(data / "one"), "--max-length", "3"]) == 2
    assert "--max-length" in capsys.readouterr().err


def test_prompt_prefixes_and_suffixes_are_part_of_what_is_measured(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(data / "one"), "--runs", str(tmp_path)]
    scores = []
    texts = ("--prompt=find: ", "--query-prefix=q ", "--query-suffix= q", "--passage-suffix= p")
    for given in ("--prompt=", *texts):
        assert main([*arguments, given]) == 0
        capsys.readouterr()
        run = next(file for file in tmp_path.rglob("*embedded*"))
        scores.append(run.read_text())
    assert len(set(scores)) == 5


def test_a_model_in_the_working_directory_has_its_name(
    data: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tiny_model)
    assert main(["eval", str(data / "one"), "-m", ".", "--json"]) == 0
    reranked = json.loads(capsys.readouterr().out)["collections"][0]["reranked"]
    assert [each["name"] for each in reranked] == [tiny_model.name]


def test_a_measure_is_tried_on_the_judgements_of_all_collections_before_the_first_is_scored(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not shutil.which("perl"):
        pytest.skip("ERR is computed by a Perl program")
    scores, graded = (
        tmp_path / "scores.db",
        write_collection(tmp_path / "b", judged=[("q1", "p2", 5)]),
    )
    arguments = ["eval", str(data / "one"), str(graded), "--measure", "ERR@10"]
    assert main([*arguments, "--resume", str(scores)]) == 1
    told = "error: the measure 'ERR@10' cannot be computed from a relevance of 5, which b has."
    assert told in capsys.readouterr().err
    with closing(sqlite3.connect(scores)) as kept:
        assert kept.execute("select count(*) from answers").fetchone() == (0,)


def test_ids_that_do_not_match_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged = [("q1", "p2", 1), ("q2", "P1", 1)]
    folder = write_collection(tmp_path / "one", judged=judged)
    assert main(["eval", str(folder), "--json"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "warning: 1 of the 2 relevant passages of one are not in its corpus" in said


def test_half_a_character_costs_no_report(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_collection(tmp_path / "one", packed=False)
    broken = json.dumps({"_id": "p5", "text": "Foxes sleep \ud83d in a den."})
    with (folder / "corpus.jsonl").open("a") as corpus:
        corpus.write(f"\n{broken}")
    (folder / "qrels.tsv").write_text("q1\tp1\t1\n")
    run = tmp_path / "best.run"
    run.write_text("q1 Q0 p1 1 2 x\nq1 Q0 p5 2 1 x\n")
    report = tmp_path / "report.html"
    assert main(["eval", str(folder), "--run", str(run), "--html", str(report)]) == 0
    assert "Foxes sleep ? in a den." in report.read_text(encoding="utf-8")


def test_memory_is_measured_for_each_model_where_it_is_asked_for(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    arguments = ["eval", str(data / "one"), "--backend", "onnx", "--html", str(page)]
    assert main([*arguments, "--memory"]) == 0
    assert re.search(r"embedded .* \d+ MB +(yes|no)", capsys.readouterr().out)
    assert "peak memory" in page.read_text("utf-8")
    assert main(arguments) == 0
    assert not re.search(r"memory| MB ", capsys.readouterr().out)
    assert "peak memory" not in page.read_text("utf-8")


def test_measures_may_be_chosen_and_the_first_is_what_changes_are_shown_of(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(data / "one"), "--measure", "P@1", "--measure", "RR@10"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "change of P@1" in out
    assert re.search(r"x 100 +P@1 +MRR@10 +R@100", out)


def test_a_second_run_resumes_from_the_scores_of_the_first(
    data: Path,
    tiny_model: Path,
    bi_encoder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["eval", str(data / "one"), "-m", str(tiny_model), "--json"]
    arguments += ["--bi-encoder", str(bi_encoder), "--resume", str(tmp_path / "scores.db")]
    assert main(arguments) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["collections"] == first["collections"]  # times too


def test_times_of_an_earlier_run_are_called_so_wherever_they_are_shown(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_collection(tmp_path / "two", judged=[("q1", "p2", 1), ("q2", "p4", 1)])
    report = tmp_path / "report.html"
    arguments = ["eval", str(folder), "-m", str(tiny_model), "--json"]
    arguments += ["--html", str(report), "--resume", str(tmp_path / "scores.db")]
    assert main(arguments) == 0
    first = capsys.readouterr()
    assert first.err == ""
    assert json.loads(first.out)["answers_of_an_earlier_run"] == {}
    assert "earlier run" not in report.read_text(encoding="utf-8")
    assert main(arguments) == 0
    second = capsys.readouterr()
    said = f"Times from an earlier run: 2 of {tiny_model.name}."
    assert second.err.startswith(f"note: {said}")
    assert json.loads(second.out)["answers_of_an_earlier_run"] == {tiny_model.name: 2}
    assert said in report.read_text(encoding="utf-8")


def test_queries_that_lost_are_shown_with_what_stood_and_stands_first(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reverse = tmp_path / "reverse"  # judges what the model puts last as relevant
    reverse.mkdir()
    for name in ("corpus.jsonl.gz", "queries.jsonl"):
        (reverse / name).write_bytes((data / "one" / name).read_bytes())
    (reverse / "qrels.tsv").write_text("q1\tp1\t1\n")
    run = tmp_path / "best.run"
    run.write_text("q1 Q0 p1 1 2 x\nq1 Q0 p2 2 1 x\n")
    assert main(["eval", str(reverse), "--run", str(run)]) == 0
    out = capsys.readouterr().out
    shown = out[out.index("Lost most by embedded") :].splitlines()
    assert shown[1] == f"1.00 > 0.63 {QUERIES['q1']}"
    assert shown[2].strip() == f"was: [judged 1] {PASSAGES['p1']}"
    assert shown[3].strip() == f"now: [not judged] {PASSAGES['p2']}"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{data}/one", "--json", "--markdown"], 2, "exclude each other"),
        (["{data}", "--run", "r"], 2, "--run belongs to one collection"),
        (["irds:vaswani", "--split", "dev"], 2, "--split is for folders"),
        (["{data}/one", "--run", "r", "--first-stage", "dense"], 2, "leave out --first-stage"),
        (["{data}/one", "--first-stage", "dense"], 2, "need --bi-encoder"),
        (["{data}/one", "--depth", "0"], 2, "--depth"),
        ([], 2, "Give a collection"),
        (["{data}/one", "--topics", "t.txt"], 2, "belong together"),
        (["--topics", "t", "--qrels", "q", "--corpus", "c"], 1, "cannot read"),
        (["{data}/one", "--measure", "best"], 1, "'best' is no measure"),
        (["{data}/one", "--backend", "gpu"], 1, "backend must be one of 'auto'"),
        (["{data}/one", "--backend", "onnx", "--precision", "bf16"], 1, "--backend onnx"),
        (["{data}/one", "--html", "{data}/no/r.html"], 1, "there is no folder"),
        (["{data}/one", "--runs", "{data}/one/qrels.tsv"], 2, "is a file"),
        (["{data}/one", "--resume", "{data}/one/qrels.tsv"], 1, "cannot keep scores"),
        (["{data}/one", "--first-stage", "scoreddocs"], 1, "comes without candidates"),
        (["--card", "someone/model"], 1, "cannot be rerun"),
        (["{data}/one", "--card", CARD], 2, "its own data"),
        (["--card", CARD, "--split", "dev"], 2, "leave out collections and --split"),
        (["{data}/one", "--first-stage", "judged", "--depth", "5"], 2, "leave out --depth"),
        (["{data}/one/none"], 1, "neither a folder nor an ir_datasets id"),
        (["{empty}"], 1, "neither is nor holds a collection"),
        (["{data}/one", "--run", "{data}/none.run"], 1, "cannot read"),
        (["{data}/one", "--model", "./nowhere"], 1, "There is no directory './nowhere'"),
        (["{data}/one", "--bi-encoder", "{empty}"], 1, "could not be loaded as a sentence"),
        (["{data}/one", "--label", "9"], 1, "--label"),
        (["{data}/one", "-m", "no/model", "--local-files-only"], 1, "no/model"),
    ],
)
def test_what_cannot_be_done(
    data: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [argument.format(data=data, empty=tmp_path) for argument in arguments]
    assert main(["eval", *filled]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in " ".join(captured.err.replace("│", " ").split())


def test_a_device_that_is_not_there_is_one_line_also_with_a_bi_encoder(
    data: Path, bi_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(data / "one"), "--bi-encoder", str(bi_encoder)]
    assert main([*arguments, "--device", "nonsense"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: device 'nonsense' cannot be used here: ")


@on_linux
@pytest.mark.parametrize(
    ("option", "place", "file"),
    [("--html", "/proc/r.html", "/proc/r.html"), ("--runs", "/proc", "/proc/a.run")],
)
def test_what_cannot_be_written_is_told_before_a_model_is_looked_for(
    data: Path, option: str, place: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", str(data / "one"), "-m", "./nowhere", option, place]) == 1
    assert capsys.readouterr().err.startswith(f"error: cannot write {file}: ")


def test_a_run_that_fails_leaves_reports_as_they_were(data: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old.html", tmp_path / "new.html"
    old.write_text("<p>of last week")
    for report in (old, new):
        arguments = ["-m", "./nowhere", "--html", str(report), "--runs", str(tmp_path / "runs")]
        assert main(["eval", str(data / "one"), *arguments]) == 1
    assert old.read_text() == "<p>of last week"
    assert not new.exists()
    assert list((tmp_path / "runs").iterdir()) == []


@on_linux
def test_a_full_disk_costs_the_page_and_not_tables_and_runs(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--html", "/dev/full", "--runs", str(tmp_path)]
    assert main(["eval", str(data / "one"), *arguments]) == 1
    assert (tmp_path / "one.embedded.run").is_file()
    captured = capsys.readouterr()
    assert re.search(r"^ ?embedded .* ms", captured.out, re.MULTILINE)
    assert captured.err.startswith("error: cannot write /dev/full: No space left on device")


@on_linux
def test_each_file_that_cannot_be_written_is_named_and_costs_no_other(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.bm25.run").symlink_to("/dev/full")
    arguments = ["--html", "/dev/full", "--runs", str(tmp_path), "--json"]
    assert main(["eval", str(data / "one"), *arguments]) == 1
    assert (tmp_path / "one.embedded.run").is_file()
    captured = capsys.readouterr()
    assert json.loads(captured.out)["collections"]
    assert captured.err.splitlines() == [
        f"error: cannot write {file}: No space left on device."
        for file in ("/dev/full", tmp_path / "one.bm25.run")
    ]


@pytest.mark.parametrize(("given", "place"), [(".", "animals"), ("..", "animals/inside")])
def test_a_collection_around_the_working_folder_is_called_by_its_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    place: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_collection(tmp_path / "animals")
    (folder / "inside").mkdir()
    monkeypatch.chdir(tmp_path / place)
    assert main(["eval", given, "--json"]) == 0
    (collection,) = json.loads(capsys.readouterr().out)["collections"]
    assert collection["collection"] == "animals"


def test_collections_of_the_same_name_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(write_collection(tmp_path / run / "held-out")) for run in ("a", "b")]
    arguments = ["eval", *folders, "--json", "--runs", str(tmp_path / "runs")]
    assert main(arguments) == 0
    value = json.loads(capsys.readouterr().out)
    assert [each["collection"] for each in value["collections"]] == folders
    assert len(list((tmp_path / "runs").iterdir())) == 4


def test_a_split_is_measured_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_collection(tmp_path / "one")
    (folder / "qrels").mkdir()
    (folder / "qrels" / "dev.tsv").write_text("q3\tp1\t1\n")
    assert main(["eval", str(folder), "--split", "dev", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["collections"][0]["queries"] == 1


def test_queries_that_a_run_lacks_are_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some.run").write_text("".join(GIVEN[:2]))
    arguments = ["eval", str(data / "one"), "--run", str(tmp_path / "some.run"), "--json"]
    assert main(arguments) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "no candidates for 2 of the 3 queries of one; they count as 0" in said


def test_judged_candidates_have_one_recall(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["eval", str(data / "one"), "--first-stage", "judged", "--json"]
    assert main(arguments) == 0
    value = json.loads(capsys.readouterr().out)["collections"][0]
    assert [name for name in value["first_stage"]["means"] if name.startswith("R@")] == ["R@2"]


def test_ids_that_no_run_can_hold_cost_no_other_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_collection(tmp_path / "one")
    for file in ("queries.jsonl", "qrels.tsv"):
        text = (folder / file).read_text()
        (folder / file).write_text(text.replace("q1", "q 1"))
    arguments = ["eval", str(folder), "--json", "--runs", str(tmp_path / "runs")]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["collections"][0]["queries"] == 3
    assert "the id 'q 1' has white space" in " ".join(captured.err.split())


def test_two_models_in_folders_of_one_name_are_told_apart_wherever_they_are_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(save_tiny_cross_encoder(tmp_path / run / "model")) for run in ("a", "b")]
    arguments = ["eval", str(data / "one"), "-m", folders[0], "-m", folders[1]]
    page, runs = tmp_path / "page.html", tmp_path / "runs"
    assert main([*arguments, "--json", "--html", str(page), "--runs", str(runs)]) == 0
    reranked = json.loads(capsys.readouterr().out)["collections"][0]["reranked"]
    assert [each["name"] for each in reranked] == ["a/model", "b/model"]
    assert "a/model</td>" in page.read_text()
    assert "b/model</td>" in page.read_text()
    files = {file.name for file in runs.iterdir()}
    assert files == {"one.bm25.run", "one.a_model.run", "one.b_model.run"}
    assert main(arguments) == 0
    out = capsys.readouterr().out
    for name in ("a/model", "b/model"):
        assert re.search(rf"^ ?{name} ", out, re.MULTILINE)


def test_passages_that_were_cut_are_counted_also_when_a_run_resumes(
    data: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(data / "one"), "-m", str(tiny_model)]
    arguments += ["--json", "--resume", str(tmp_path / "scores.db")]
    for max_length, share in (("8", 1.0), ("8", 1.0), ("64", 0.0)):
        assert main([*arguments, "--max-length", max_length]) == 0
        (order,) = json.loads(capsys.readouterr().out)["collections"][0]["reranked"]
        pairs = order["cut"]["of"]
        assert pairs > 0
        assert order["cut"] == {"passages": share * pairs, "of": pairs, "share": share}


def test_tables_begin_with_the_answer_and_show_queries_won_and_passages_cut(
    data: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", str(data), "-m", str(tiny_model), "--max-length", "8", "--curve"]
    assert main([*arguments, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert main(arguments) == 0
    out = capsys.readouterr().out
    words = " ".join(out.split())
    figures = re.compile(r"Reranking takes [\d.]+ m?s")  # the one figure of another run
    assert figures.sub("", words).startswith(figures.sub("", value["verdict"]["text"]))
    for collection in value["collections"]:
        answer = figures.sub("", collection["verdict"]["text"])
        name = collection["collection"]
        heading = f"{name}: 3 queries, 4 passages, 200 candidates per query"
        assert f"{heading} {answer}" in figures.sub("", words)
    assert len(re.findall(r"mean +won +lost +tied +p *$", out, re.MULTILINE)) == 2
    assert re.search(r"time, all 3 queries +p50 +p95 +p99 +pairs/s +cut *$", out, re.MULTILINE)
    assert len(re.findall(rf"^ ?{tiny_model.name} .* 100% *$", out, re.MULTILINE)) == 2
    assert "p50 of 2 queries" in words
    assert "Not judged: nobody has said" in words
    assert "Won most by" in out or "Lost most by" in out
