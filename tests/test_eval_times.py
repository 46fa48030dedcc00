"""`rerank eval`: cascades beside plain depth, time budgets, and what a time buys."""

import json
import re
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rerank_plugins import Reranker
from rerank_plugins.cli import main
from rerank_plugins.evaluation import (
    Comparison,
    Configuration,
    DepthPoint,
    JudgedCollection,
    ScoreStore,
    as_markdown,
    compare,
    current_environment,
    depth_curves,
)
from rerank_plugins.evaluation.budgets import budget_points, budget_steps
from rerank_plugins.evaluation.cascades import PlainPoint, cascade_points, plain_depths
from rerank_plugins.evaluation.comparison import Order
from rerank_plugins.evaluation.curve import curve_steps
from rerank_plugins.evaluation.rankings import ranking_function
from rerank_plugins.evaluation.report import Report
from rerank_plugins.evaluation.time_report import Times, time_tables
from rerank_plugins.evaluation.within import LENGTHS, MOST, Reach, Within, pairs_within, within
from rerank_plugins.results import Plan
from rerank_plugins.scoring.contract import Scorer
from rerank_plugins.testing import DeterministicScorer
from tests.test_evaluation import write_collection

FIVE = {f"p{n}": f"fox number {n}" + " den" * (n == 4) for n in range(5)}
QUERIES = {"q": "fox den", "nothing": "zebra"}
FOUND = {"q": {name: float(-n) for n, name in enumerate(FIVE)}, "nothing": {}}
JUDGED = {"q": {"p4": 1}, "nothing": {"p0": 1}}


def cascade() -> Reranker:
    stage = {"scorer": DeterministicScorer(), "keep": 2}
    return Reranker(DeterministicScorer(), cascade=[stage])


def compared(**rerankers: Reranker) -> Comparison:
    functions = {name: ranking_function(each) for name, each in rerankers.items()}
    collection = JudgedCollection("foxes", FIVE, QUERIES, JUDGED)
    return compare(collection, FOUND, {"alone": DeterministicScorer(), **functions}, depth=5)


class TestWhatEachStageReads:
    def test_is_counted_as_a_mean_over_the_queries_with_candidates(self) -> None:
        alone, staged = compared(staged=cascade()).reranked
        assert alone.pairs_per_stage == ()
        assert staged.pairs_per_stage == (5.0, 2.0)

    def test_makes_the_pairs_per_second(self) -> None:
        order = Order("a", {"q": {"p": 1.0}}, {}, {"q": 0.5}, read={"q": (30, 10)})
        assert order.latency().pairs_per_second == pytest.approx(80)

    def test_is_what_the_share_that_the_last_stage_cut_is_of(self) -> None:
        last = DeterministicScorer(max_words=5)  # with the query, only p4 is longer
        stage = {"scorer": DeterministicScorer(), "keep": 2}
        _, staged = compared(staged=Reranker(last, cascade=[stage])).reranked
        assert (staged.cut, staged.read_last, staged.cut_share) == (1, 2, 0.5)

    def test_says_nothing_of_cuts_if_the_model_does_not(self) -> None:
        silent = Scorer.from_function(lambda pairs: [0.0] * len(pairs))
        assert compared(fused=Reranker(silent)).reranked[1].cut is None

    def test_is_kept_in_the_file_of_an_interrupted_run(self, tmp_path: Path) -> None:
        path, passages = tmp_path / "scores.db", list(FIVE.values())
        with sqlite3.connect(path) as old:  # as a version before wrote it
            old.execute(
                "CREATE TABLE answers (scorer TEXT NOT NULL, request TEXT NOT NULL, scores BLOB "
                "NOT NULL, seconds REAL NOT NULL, cut INTEGER, PRIMARY KEY (scorer, request))"
            )
        old.close()
        with ScoreStore(path, {"a": "a"}) as store:
            first = store("a", ranking_function(cascade()), "fox den", passages)
        with ScoreStore(path, {"a": "a"}) as store:
            again = store("a", ranking_function(cascade()), "fox den", passages)
            assert store.reused == {"a": 1}
        assert first == again
        assert again.read == (5, 2)

    def test_leaves_one_point_of_the_curve(self) -> None:
        comparison = compared(staged=cascade())
        scorers = {name: ranking_function(cascade()) for name in ("alone", "staged")}
        ticks: list[int] = []
        curves = depth_curves(comparison, scorers, depths=(1, 3), on_query=lambda: ticks.append(1))
        assert [point.depth for point in curves["alone"]] == [0, 1, 3, 5]
        assert [point.depth for point in curves["staged"]] == [5]
        assert curves["staged"][0].quality == comparison.reranked[1].mean("nDCG@10")
        assert len(ticks) == curve_steps(comparison, depths=(1, 3)) == 4


def points(*values: tuple[int, float, float]) -> list[DepthPoint]:
    return [DepthPoint(depth, quality, 0.5, seconds) for depth, quality, seconds in values]


class TestCascadesBesidePlainDepth:
    def test_the_rival_is_the_model_that_is_best_in_the_same_time(self) -> None:
        comparison = compared(staged=cascade())
        curves = {
            "alone": points((0, 0.1, 0.0), (10, 0.3, 0.01), (50, 0.5, 0.05)),
            "fast": points((0, 0.1, 0.0), (50, 0.35, 0.001)),
            "staged": points((50, 0.45, 0.03)),
        }
        (found,) = cascade_points([comparison], [curves])
        assert (found.name, found.read, found.seconds) == ("staged", (5.0, 2.0), 0.03)
        assert found.quality == comparison.reranked[1].mean("nDCG@10")
        assert found.rival is not None
        assert (found.rival.name, found.rival.depth) == ("alone", 30)
        assert found.rival.quality == pytest.approx(0.4)

    def test_without_curves_there_is_no_rival(self) -> None:
        (found,) = cascade_points([compared(staged=cascade())], [])
        assert found.rival is None
        ((row,),) = [each.rows for each in time_tables(Times(), [found], "nDCG@10")]
        assert row[-1] == "not measured"

    def test_single_models_and_other_rerankers_are_no_cascades(self) -> None:
        fused = Reranker(DeterministicScorer(), first_stage_weight=1.0)
        assert cascade_points([compared(fused=fused)], []) == []

    def test_over_collections_depths_are_means_of_those_that_all_have(self) -> None:
        curves = [
            {"a": points((0, 0.1, 0.0), (10, 0.3, 0.02), (30, 0.4, 0.05))},
            {"a": points((0, 0.3, 0.0), (10, 0.5, 0.04))},
        ]
        assert plain_depths(curves) == {
            "a": [PlainPoint("a", 0, 0.2, 0.0), PlainPoint("a", 10, 0.4, 0.03)]
        }
        assert plain_depths([]) == {}


class TestBudgets:
    def test_from_nothing_in_time_to_all_of_it(self) -> None:
        comparison = compared(staged=cascade())
        rerankers = {"alone": Reranker(DeterministicScorer(), top_k=1), "staged": cascade()}
        ticks: list[int] = []
        found = budget_points(comparison, rerankers, [1e-9, 600], on_query=lambda: ticks.append(1))
        assert list(found) == ["alone", "staged"]
        assert len(ticks) == budget_steps(comparison, rerankers, [1e-9, 600]) == 6
        for order, scored in zip(comparison.reranked, (5, 2), strict=True):
            without, nothing, enough = found[order.name]
            assert [each.time_budget for each in found[order.name]] == [None, 1e-9, 600]
            assert without.quality == enough.quality == order.mean("nDCG@10")
            assert (without.quality_share, without.time_share) == (1.0, 1.0)
            assert (enough.mean_scored, enough.median_scored) == (scored, scored)
            assert (enough.complete, nothing.complete) == (1.0, 0.0)
            assert (nothing.mean_scored, nothing.median_scored) == (0, 0)
            assert nothing.quality == comparison.first_stage.mean("nDCG@10")
            assert nothing.quality_share == pytest.approx(nothing.quality / without.quality)

    def test_passages_without_a_score_stand_behind_in_their_order(self) -> None:
        def slow(pairs: Sequence[tuple[str, str]]) -> list[float]:
            time.sleep(0.05 * len(pairs))
            return [float(len(passage)) for _, passage in pairs]

        comparison = compared()
        reranker = Reranker(Scorer.from_function(slow))
        (_, part) = budget_points(comparison, {"slow": reranker}, [0.15])["slow"]
        assert part.mean_scored < 5  # the last one, which is relevant, takes 0.25 seconds
        assert part.quality == comparison.first_stage.mean("nDCG@10")

    def test_without_candidates_nothing_is_asked(self) -> None:
        collection = JudgedCollection("foxes", FIVE, QUERIES, JUDGED)
        scorer = DeterministicScorer()
        comparison = compare(collection, {}, {"alone": scorer})
        (without, _) = budget_points(comparison, {"alone": Reranker(scorer)}, [0.1])["alone"]
        assert scorer.calls == []
        assert (without.quality, without.quality_share, without.mean_scored) == (0, None, 0)


def sleeping(pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Takes at least 4 ms per pair."""
    time.sleep(0.004 * len(pairs))
    return [0.0] * len(pairs)


class TestWithinATime:
    def passages(self, count: int) -> list[str]:
        return ["fox"] * count

    def test_pairs_are_counted_by_their_time(self) -> None:
        found = pairs_within(0.1, Scorer.from_function(sleeping), "fox", self.passages)
        assert not found.is_least
        assert found.pairs <= 25

    def test_counting_ends_where_there_is_no_end(self) -> None:
        found = pairs_within(600, DeterministicScorer(), "fox", self.passages)
        assert found == Reach(MOST, is_least=True)

    def test_the_curve_says_it_for_a_collections_own_candidates(self, tiny_model: Path) -> None:
        comparison = compared()
        curve = {"tiny": points((0, 0.1, 0.0), (10, 0.3, 0.01), (50, 0.5, 0.05))}
        configurations = {"tiny": Configuration(str(tiny_model), {"max_length": 64})}
        plans = {"tiny": Plan("torch", "fp32", "")}
        for seconds, wanted in ((0.031, Reach(30, False)), (0.05, Reach(50, True))):
            (found,) = within(seconds, [comparison], [curve], configurations, plans)
            assert found.own == {"foxes": wanted}
            assert found.words == {"foxes": 3}
            assert found.by_length[64] is not None
            assert (found.by_length[128], found.by_length[256]) == (None, None)

    def test_the_table_says_what_is_least_and_what_is_too_long(self) -> None:
        found = Within("a", "onnx", "fp32", {"foxes": Reach(30, True)}, {"foxes": 3}, {64: None})
        (table,) = time_tables(Times(0.1, [found]), [], "nDCG@10")
        assert [list(row) for row in table.rows] == [["a", "onnx fp32", "30 or more", "too long"]]
        assert "half of these have up to 3 words" in table.about
        other = replace(found, own={**found.own, "b": Reach(10, False)}, words={"a": 3, "b": 90})
        (table,) = time_tables(Times(0.1, [other]), [], "nDCG@10")
        assert table.rows[0][2] == "20 or more"
        assert "up to 3 to 90 words" in table.about


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("times")
    write_collection(folder / "one")
    write_collection(folder / "two")
    return folder


@pytest.fixture
def given(folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    stage = {"model": str(tiny_model), "keep": 2}
    file = folder / "rerankers.json"
    file.write_text(json.dumps({"staged": {"model": str(tiny_model), "cascade": [stage]}}))
    return ["eval", str(folder), "-m", str(tiny_model), "--options", str(file)]


def test_the_command_measures_all_of_it(
    given: list[str], folder: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--curve", "--depth", "20", "--within", "5s", "--budgets", "60s,0.0001ms"]
    page = folder / "page.html"
    assert main([*given, *asked, "--json", "--html", str(page)]) == 0
    value = json.loads(capsys.readouterr().out)
    (found,) = value["cascades"]
    assert (found["name"], found["read"][1]) == ("staged", 2.0)
    assert found["rival"]["name"] == tiny_model.name
    assert value["within"]["seconds"] == 5.0
    (reach,) = value["within"]["scorers"]
    assert (reach["name"], reach["precision"]) == (tiny_model.name, "fp32")
    assert reach["own"]["one"] == {"pairs": 20, "is_least": True}
    assert set(reach["by_length"]) == {str(length) for length in LENGTHS}
    for collection in value["collections"]:
        alone, staged = collection["reranked"]
        assert (len(alone["curve"]), staged["curve"]) == (3, [])
        assert (alone["pairs_per_stage"], staged["pairs_per_stage"][1]) == ([], 2.0)
        for order in (alone, staged):
            budgets = [point["time_budget"] for point in order["time_budgets"]]
            assert budgets == [None, pytest.approx(1e-7), 60.0]
            assert [point["mean_scored"] > 0 for point in order["time_budgets"]] == [
                *(True, False, True)
            ]
    html = page.read_text()
    assert 'aria-label="quality against time: depths and cascades"' in html
    for words in ("Each numbered dot is a cascade", "pairs in 5.0 s", "staged: 60.0 s"):
        assert words in html


def test_tables_of_times_fit_80_columns(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*given, "--budgets", "60s"]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert re.search(r"^ ?staged .* > 2 ", out, re.MULTILINE)
    assert re.search(r"^ ?staged: none .*100%", out, re.MULTILINE)
    assert re.search(r"^ ?staged: 60.0 s .*%", out, re.MULTILINE)


def test_markdown_has_the_tables_of_times() -> None:
    comparison = compared(staged=cascade())
    budgets = budget_points(comparison, {"staged": cascade()}, [600])
    report = Report(
        [comparison], current_environment("rerank eval x"), times=Times(budgets=[budgets])
    )
    text = as_markdown(report)
    for table in report.time_tables:
        assert len(set(table.head)) == len(table.head)
    assert re.search(r"\| staged \| [\d.]+ \| 5 > 2 \| [\d.]+ m?s \| not measured \|", text)
    assert re.search(r"\| staged: 600.0 s \| [\d.]+ \| 100.0% \| 100.0% \| 2.0 \(2\) \|", text)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--within", "100ms"], 2, "--within reads the curve of depths; add --curve."),
        (["--within", "soon", "--curve"], 1, "--within must be a time above 0 such as 100ms"),
        (["--budgets", "10ms,0"], 1, "--budgets must be a time above 0 such as 100ms"),
        (["--budgets", "10ms;20ms"], 1, "but got '10ms;20ms'"),
    ],
)
def test_what_is_no_time_is_said_before_the_work(
    folder: Path,
    arguments: Sequence[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["eval", str(folder), "-m", "./nowhere", *arguments]) == code
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time_budget": 0}, "time_budget must be a number of seconds > 0"),
        ({"cascade": [{"model": "embedded"}]}, "cascade[0]: keep must be > 0"),
        ({"cascade": [{"model": "embedded", "keep": 2, "depth": 1}]}, "has no option 'depth'"),
        ({"cascade": [{"model": "./nowhere", "keep": 2}]}, "nowhere"),
    ],
)
def test_what_a_stage_cannot_be_is_said(
    folder: Path, options: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "wrong.json"
    file.write_text(json.dumps({"staged": {"model": "embedded", **options}}))
    assert main(["eval", str(folder), "--options", str(file)]) == 1
    assert said in capsys.readouterr().err


def test_auto_without_a_named_weight_is_said(
    folder: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "auto.json"
    file.write_text(json.dumps({"a": {"model": str(tiny_model), "first_stage_weight": "auto"}}))
    assert main(["eval", str(folder), "--options", str(file)]) == 1
    assert "names no first_stage_weight" in capsys.readouterr().err
