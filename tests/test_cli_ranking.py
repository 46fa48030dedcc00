"""`rerank rank`: the first stage's opinion, a cascade, and a time budget."""

import json
from pathlib import Path
from typing import Any

import pytest

from rerank_plugins import CrossEncoderScorer, RankedList, Reranker
from rerank_plugins.cli.durations import seconds, several_seconds
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats import Passage, QueryPassages
from rerank_plugins.formats.runs import as_run
from rerank_plugins.results import Ranked
from tests.commands import Run, run_arguments, written
from tests.test_cli_rank import PASSAGES, QUERY

SCORES = [0.1, 9.5, 3.0]
NOTHING_IN_TIME = "0.0001ms"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return written(tmp_path / "passages.txt", "\n".join(PASSAGES) + "\n")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """The passages with the first stage's scores."""
    objects = [{"text": t, "bm25": s} for t, s in zip(PASSAGES, SCORES, strict=True)]
    return written(tmp_path / "p.jsonl", "\n".join(map(json.dumps, objects)))


@pytest.fixture
def run_files(tmp_path: Path) -> list[str]:
    run = "".join(f"q Q0 d{n} {n + 1} {9 - 4 * n} bm25\n" for n in range(3))
    corpus = "".join(f"d{n}\t{text}\n" for n, text in enumerate(PASSAGES))
    return run_arguments(tmp_path, run=run, queries=f"q\t{QUERY}\n", corpus=corpus)


def as_rows(ranking: RankedList) -> list[dict[str, Any]]:
    return [
        {
            "index": one.index,
            "score": pytest.approx(one.score, abs=1e-6),
            "scale": one.scale,
            "model_score": pytest.approx(one.model_score, abs=1e-6),
        }
        for one in ranking
    ]


def read(out: str) -> list[dict[str, Any]]:
    names = ("index", "score", "scale", "model_score")
    return [{name: row[name] for name in names} for row in json.loads(out)]


@pytest.mark.parametrize("weight", ["auto", "2.5"])
def test_the_places_count_with_a_weight(rerank: Run, lines: Path, weight: str) -> None:
    code, out, _ = rerank("rank", QUERY, lines, "--first-stage-weight", weight, "--json")
    given = "auto" if weight == "auto" else float(weight)
    with Reranker(CrossEncoderScorer("embedded"), first_stage_weight=given) as reranker:
        wanted = as_rows(reranker.rank(QUERY, PASSAGES))
    assert (code, read(out)) == (0, wanted)
    assert {row["scale"] for row in wanted} == {"fused"}


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_field_of_the_rows_has_the_first_stages_scores(
    rerank: Run, rows: Path, tmp_path: Path, form: str
) -> None:
    if form == "csv":
        cells = zip(PASSAGES, SCORES, strict=True)
        table = "text,bm25\n" + "".join(f'"{text}",{score}\n' for text, score in cells)
        rows = written(tmp_path / "p.csv", table)
    weight = ["--first-stage-weight", 2, "--first-stage-score-field", "bm25"]
    _, by_score, _ = rerank("rank", QUERY, rows, *weight, "--json")
    with Reranker(CrossEncoderScorer("embedded"), first_stage_weight=2) as reranker:
        ranking = reranker.rank(QUERY, PASSAGES, first_stage_scores=SCORES)
        assert read(by_score) == as_rows(ranking)
        assert as_rows(ranking) != as_rows(reranker.rank(QUERY, PASSAGES))
    _, of_distances, _ = rerank("rank", QUERY, rows, *weight, "--lower-is-better", "--json")
    with Reranker(
        CrossEncoderScorer("embedded"), first_stage_weight=2, higher_is_better=False
    ) as reranker:
        wanted = as_rows(reranker.rank(QUERY, PASSAGES, first_stage_scores=SCORES))
    assert read(of_distances) == wanted


def test_a_runs_scores_count_on_request(rerank: Run, run_files: list[str]) -> None:
    weight = ["--first-stage-weight", 2, "--json"]
    _, out, _ = rerank("rank", *run_files, *weight, "--first-stage-score-field", "score")
    with Reranker(CrossEncoderScorer("embedded"), scale="logit", first_stage_weight=2) as reranker:
        wanted = as_rows(reranker.rank(QUERY, PASSAGES, first_stage_scores=[9, 5, 1]))
    assert read(json.dumps(json.loads(out)[0]["ranking"])) == wanted


def test_scores_of_a_run_that_tie_in_single_precision_count_as_equal(
    rerank: Run, tmp_path: Path
) -> None:
    names = [f"d{n}" for n in range(8)]
    run = "".join(f"q Q0 {name} 1 {1_700_000_009 - n} x\n" for n, name in enumerate(names))
    corpus = "".join(f"{name}\t{PASSAGES[0]}\n" for name in names)
    files = run_arguments(tmp_path, run=run, queries=f"q\t{QUERY}\n", corpus=corpus)
    weight = ["--first-stage-weight", 1, "--first-stage-score-field", "score"]
    code, out, err = rerank("rank", *files, *weight, "--json")
    assert code == 0, err
    ranking = json.loads(out)[0]["ranking"]
    assert [(one["id"], one["score"] - one["model_score"]) for one in ranking] == [
        (name, 0.0) for name in reversed(names)
    ]


NEAREST = [f"d{n}" for n in (6, 2, 8, 4, 0, 5, 7, 3, 1)]


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--first-stage-score-field", "score"],
        ["--time-budget", NOTHING_IN_TIME],
    ],
    ids=["places", "scores", "no scores in time"],
)
def test_a_run_of_distances_is_read_nearest_first(
    rerank: Run, tmp_path: Path, more: list[str]
) -> None:
    distances = {name: 0.1 + 0.05 * place for place, name in enumerate(NEAREST)}
    run = "".join(f"q Q0 {name} 1 {far} vectors\n" for name, far in sorted(distances.items()))
    corpus = "".join(f"{name}\t{PASSAGES[0]}\n" for name in NEAREST)
    files = run_arguments(tmp_path, run=run, queries=f"q\t{QUERY}\n", corpus=corpus)
    code, out, err = rerank("rank", *files, "--first-stage-weight", 100, "--lower-is-better", *more)
    assert code == 0, err
    assert [line.split()[2] for line in out.splitlines()] == NEAREST


@pytest.mark.parametrize("stage", ["embedded:2", '{"model": "embedded", "keep": 2}'])
def test_a_cascade_returns_what_its_last_model_read(rerank: Run, lines: Path, stage: str) -> None:
    code, out, _ = rerank("rank", QUERY, lines, "--cascade", stage, "--json")
    assert code == 0
    with Reranker(CrossEncoderScorer("embedded"), top_k=2) as reranker:
        assert read(out) == as_rows(reranker.rank(QUERY, PASSAGES))


def test_several_stages_are_asked_in_the_order_in_which_they_are_typed(
    rerank: Run, lines: Path
) -> None:
    _, out, _ = rerank("rank", QUERY, lines, "--cascade", "embedded:2", "--cascade", "embedded:1")
    assert len(out.splitlines()) == 1


def test_each_model_of_a_cascade_says_what_it_cut(rerank: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "p.txt", f"{'soap and water ' * 60}\n{'soap ' * 90}\nsoap\n")
    stage = {"model": "embedded", "keep": 2, "max_length": 64, "long_passages": "truncate"}
    options = ("--max-length", 128, "--long-passages", "truncate")
    _, _, err = rerank("rank", "soap", path, "--cascade", json.dumps(stage), *options)
    assert err == (
        "warning: 2 of 3 passages were cut by --cascade (1): with the query they are longer than "
        "max_length=64. Add long_passages='windows', or split them into shorter passages; or raise "
        "max_length.\n"
        "warning: 1 of 2 passages were cut by --model: with the query they are longer than "
        "--max-length 128. Add --long-passages windows, or split them into shorter passages; or "
        "raise --max-length.\n"
    )


def test_lines_of_passages_without_a_score_have_an_empty_one(rerank: Run, lines: Path) -> None:
    code, out, err = rerank("rank", QUERY, lines, "--time-budget", NOTHING_IN_TIME)
    assert (code, err) == (
        0,
        "note: 3 of 3 passages got no score in --time-budget; behind the others\n",
    )
    assert [line.split("\t") for line in out.splitlines()] == [
        [str(n + 1), "", str(n), text] for n, text in enumerate(PASSAGES)
    ]


def test_json_of_passages_without_a_score_has_null(rerank: Run, lines: Path) -> None:
    _, out, _ = rerank("rank", QUERY, lines, "--time-budget", NOTHING_IN_TIME, "-k", 2, "--json")
    nothing = {"score": None, "scale": None, "model_score": None}
    assert read(out) == [{"index": 0, **nothing}, {"index": 1, **nothing}]


def test_with_a_threshold_passages_without_a_score_are_left_out(rerank: Run, lines: Path) -> None:
    code, out, err = rerank(
        "rank", QUERY, lines, "--time-budget", NOTHING_IN_TIME, "--score-threshold", 0.1
    )
    assert (code, out) == (0, "")
    assert err.startswith("note: 3 of 3 passages got no score in --time-budget; left out")


def test_a_table_shows_passages_without_a_score(
    rerank: Run, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, out, _ = rerank("rank", QUERY, lines, "--time-budget", NOTHING_IN_TIME, "-k", 2)
    assert "Soap was made" in out
    assert "2 of 3 passages." in out


def test_a_run_has_passages_without_a_score_last_with_falling_scores(
    rerank: Run, run_files: list[str]
) -> None:
    _, out, _ = rerank("rank", *run_files, "--time-budget", NOTHING_IN_TIME)
    assert [line.split()[2:5] for line in out.splitlines()] == [
        [f"d{n}", str(n + 1), f"{-float(n + 1)}"] for n in range(3)
    ]
    passages = [Passage("", f"d{n}") for n in range(4)]
    ranking = RankedList(
        [Ranked(2, 0.5, "logit", 0.5), Ranked(1, -0.25, "logit", -0.25)],
        unscored=(3, 0),
        backfill=(3, 0),
    )
    run = as_run([QueryPassages("q", "", passages)], [ranking])
    assert [tuple(line.split()[2:5:2]) for line in run.splitlines()] == [
        ("d2", "0.5"),
        ("d1", "-0.25"),
        ("d3", "-1.25"),
        ("d0", "-2.25"),
    ]


def test_a_long_time_budget_changes_nothing(rerank: Run, run_files: list[str]) -> None:
    plain = rerank("rank", *run_files)
    assert rerank("rank", *run_files, "--time-budget", "600s") == plain


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time-budget", "0"], "--time-budget must be a time above 0 such as 100ms, 0.1s or 0.1"),
        (["--time-budget", "soon"], "--time-budget must be a time above 0"),
        (["--first-stage-weight", "-1"], "--first-stage-weight must be 'auto' or a number >= 0"),
        (["--first-stage-weight", "much"], "to leave the first stage out, leave it out"),
        (["--cascade", "embedded"], "--cascade must be MODEL:KEEP"),
        (["--cascade", "embedded:few"], "--cascade must be MODEL:KEEP"),
        (["--cascade", "embedded:0"], "--cascade (1): keep must be > 0, but got 0"),
        (["--cascade", "{model"], "--cascade '{model' is not a JSON object"),
        (["--cascade", '{"model": ' + "[" * 9000], "is not a JSON object: maximum recursion"),
        (["--cascade", '{"model": "embedded"}'], "--cascade (1): keep must be > 0, but got None"),
        (
            ["--cascade", '{"model": "embedded", "keep": 2, "depth": 3}'],
            "--cascade (1) has no option 'depth'",
        ),
        (
            ["--cascade", '{"model": "embedded", "keep": 2, "precision": "int3"}'],
            "--cascade (1): precision must be one of",
        ),
        (
            ["--cascade", "embedded:2", "--cascade", "embedded:2"],
            "--cascade (2) must keep fewer passages than the stage before",
        ),
        (["--cascade", "no/such/folder:2"], "no/such/folder"),
        (["--cascade", "embedded:2", "--top-k", "3"], "Lower --top-k"),
        (
            ["--first-stage-weight", "1", "--first-stage-score-field", "bm25"],
            "has plain lines, which have no field 'bm25'",
        ),
    ],
)
def test_what_is_not_allowed_is_said_in_the_commands_spelling(
    rerank: Run, lines: Path, options: list[str], said: str
) -> None:
    code, out, err = rerank("rank", QUERY, lines, *options)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert said in err


def test_auto_without_a_named_weight_says_what_to_type(
    rerank: Run, lines: Path, tiny_model: Path
) -> None:
    code, _, err = rerank("rank", QUERY, lines, "-m", tiny_model, "--first-stage-weight", "auto")
    assert code == 1
    assert "--first-stage-weight auto has nothing to take" in err
    assert "rerank eval --fuse" in err


def test_an_order_of_scores_without_scores_is_refused(rerank: Run, lines: Path) -> None:
    given = ["--first-stage-weight", "1", "--lower-is-better"]
    code, _, err = rerank("rank", QUERY, lines, *given)
    assert code == 2
    assert "Name their field with --first-stage-score-field" in " ".join(
        err.replace("│", " ").split()
    )


def test_scores_in_the_wrong_order_name_the_other_option(rerank: Run, tmp_path: Path) -> None:
    objects = [{"text": text, "far": n} for n, text in enumerate(PASSAGES * 3)]
    path = written(tmp_path / "p.jsonl", "\n".join(map(json.dumps, objects)))
    given = ["--first-stage-weight", "1", "--first-stage-score-field", "far"]
    code, _, err = rerank("rank", QUERY, path, *given)
    assert code == 1
    assert "pass --lower-is-better; otherwise" in err
    assert rerank("rank", QUERY, path, *given, "--lower-is-better")[0] == 0
    path.write_text("\n".join(reversed(path.read_text().splitlines())))
    code, _, err = rerank("rank", QUERY, path, *given, "--lower-is-better")
    assert code == 1
    assert "Where a higher score is better, pass --higher-is-better; otherwise" in err


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "a"}, "but has none; its fields are 'text'"),
        ({"text": "a", "bm25": None}, "but has NoneType None"),
        ({"text": "a", "bm25": "high"}, "but has str 'high'"),
        ({"text": "a", "bm25": True}, "but has bool True"),
        ({"text": "a", "bm25": float("nan")}, "but has float nan"),
        ("a", "but has none; its fields are none"),
    ],
)
def test_a_row_without_a_score_is_named(
    rerank: Run, tmp_path: Path, row: object, said: str
) -> None:
    path = written(tmp_path / "p.jsonl", f'{{"text": "b", "bm25": 1}}\n{json.dumps(row)}\n')
    given = ["--first-stage-weight", "1", "--first-stage-score-field", "bm25"]
    code, _, err = rerank("rank", QUERY, path, *given)
    assert code == 1
    assert "line 2 needs the first stage's score, a number, under 'bm25'" in err
    assert said in err
    assert "or leave --first-stage-score-field out" in err


def test_a_field_of_scores_goes_with_the_weight_of_a_stage_alone(rerank: Run, rows: Path) -> None:
    stage = {"model": "embedded", "keep": 2, "first_stage_weight": 50}
    given = ["--model", "embedded", "--cascade", json.dumps(stage)]
    code, out, _ = rerank(
        "rank", QUERY, rows, *given, "--first-stage-score-field", "bm25", "--json"
    )
    assert code == 0
    with Reranker.from_options(model="embedded", cascade=[stage]) as reranker:
        assert read(out) == as_rows(reranker.rank(QUERY, PASSAGES, first_stage_scores=SCORES))


def test_a_field_of_scores_goes_with_a_weight(
    rerank: Run, rows: Path, run_files: list[str]
) -> None:
    code, _, err = rerank("rank", QUERY, rows, "--first-stage-score-field", "bm25")
    assert code == 1
    assert err == (
        "error: --first-stage-score-field goes with --first-stage-weight, which is not given. Give "
        "--first-stage-weight auto or a number, or leave --first-stage-score-field out.\n"
    )
    field = ["--first-stage-weight", "auto", "--first-stage-score-field", "bm25"]
    code, _, err = rerank("rank", *run_files, *field)
    assert code == 2
    said = " ".join(err.replace("│", " ").split())
    assert "Type --first-stage-score-field score." in said


@pytest.mark.parametrize(
    ("text", "value"), [("100ms", 0.1), ("0.1s", 0.1), ("0.1", 0.1), ("2", 2.0), (" .5 s ", 0.5)]
)
def test_times_are_typed_in_seconds_or_milliseconds(text: str, value: float) -> None:
    assert seconds(text, "time_budget") == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "0", "-1", "1m", "100 MS", "1e3", "nan", "inf", "9" * 400])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="must be a time above 0"):
        seconds(text, "time_budget")


def test_several_times_are_sorted() -> None:
    assert several_seconds("1,10ms, 0.5s,10ms", "budgets") == [0.01, 0.5, 1.0]
