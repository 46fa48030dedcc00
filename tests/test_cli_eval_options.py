"""`rerank eval --options`: rerankers of a file, measured as they would rank."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from rerank_plugins import RankedList, Reranker
from rerank_plugins.cli import main
from rerank_plugins.errors import HubUnreachableError, ModelNotFoundError
from rerank_plugins.evaluation import Configuration, compare, read_collection
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.evaluation.memory import scoring_memory
from rerank_plugins.evaluation.rankings import ranking_function, whole_order
from rerank_plugins.models.own_settings import OwnSettings, read_own_settings, write_own_settings
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.options import RANKING_OPTIONS
from rerank_plugins.results import Ranked
from rerank_plugins.testing import DeterministicScorer
from tests.test_evaluation import write_collection

PASSAGES = [f"passage number {n} about foxes" for n in range(8)]

SHORTER: dict[str, Any] = {
    "top_k": 3,
    "score_threshold": 0.5,
    "spans": True,
    "max_spans": 2,
    "compress": "spans",
    "compress_threshold": 0.4,
    "compress_neighbours": True,
}
CALIBRATED: dict[str, Any] = {"scale": "calibrated", "calibration": "auto"}
NO_ORDER: list[dict[str, Any]] = [
    {"first_stage_weight": None, "cascade": None, "time_budget": None},
    {"first_stage_weight": 0, "cascade": [], "higher_is_better": False},
]


def ranked(index: int, score: float) -> Ranked:
    return Ranked(index, score, "logit", score)


class TestTheScoresOfARanking:
    def test_are_those_that_order_it(self) -> None:
        reranker = Reranker(DeterministicScorer(), first_stage_weight=2.0, top_k=2)
        scores = ranking_function(reranker)("foxes", PASSAGES).scores
        wanted = reranker.rank("foxes", PASSAGES, top_k=None, scale="logit")
        assert wanted[0].scale == "fused"
        assert [scores[each.index] for each in wanted] == [each.score for each in wanted]

    def test_of_passages_that_a_cascade_did_not_keep_fall_behind_the_others(self) -> None:
        cascade = [{"scorer": DeterministicScorer(), "keep": 3}]
        reranker = Reranker(DeterministicScorer(), cascade=cascade, score_threshold=0.99)
        scores = ranking_function(reranker)("foxes", PASSAGES).scores
        kept = [each.index for each in reranker.rank("foxes", PASSAGES, score_threshold=None)]
        assert len(kept) == 3
        order = sorted(range(len(PASSAGES)), key=lambda index: -scores[index])
        assert order == [*kept, *(n for n in range(len(PASSAGES)) if n not in kept)]

    def test_of_passages_without_a_score_stand_before_those_that_were_not_kept(self) -> None:
        ranking = RankedList([ranked(4, -1.5), ranked(2, -3.0)], unscored=(3, 1))
        assert whole_order(ranking, 6) == [-6.0, -5.0, -3.0, -4.0, -1.5, -7.0]

    def test_of_a_ranking_without_scores_are_the_first_stages_order(self) -> None:
        assert whole_order(RankedList(unscored=(0, 1, 2)), 3) == [-1.0, -2.0, -3.0]


class TestTheIdentity:
    def test_changes_with_each_option_that_changes_the_order(self, tiny_model: Path) -> None:
        stage = {"model": "embedded", "keep": 30}
        several: list[dict[str, object]] = [
            {},
            {"first_stage_weight": 1.5},
            {"first_stage_weight": 2.0},
            {"time_budget": 0.1},
            {"cascade": [stage]},
            {"cascade": [{**stage, "keep": 20}]},
            {"cascade": [{**stage, "model": str(tiny_model)}]},
        ]
        identities = {Configuration("embedded", options).identity() for options in several}
        assert len(identities) == len(several)
        for unmeasured in ({**SHORTER, "scale": "logit"}, CALIBRATED, *NO_ORDER):
            assert Configuration("embedded", unmeasured).identity() in identities

    def test_changes_with_the_weight_that_the_folder_names(
        self, tiny_model: Path, tmp_path: Path
    ) -> None:
        model = shutil.copytree(tiny_model, tmp_path / "model")
        auto = Configuration(str(model), {"first_stage_weight": "auto"})
        write_own_settings(model, OwnSettings(1.0))
        before = auto.identity(), Configuration(str(model)).identity()
        write_own_settings(model, OwnSettings(2.0))
        assert auto.identity() != before[0]
        assert Configuration(str(model)).identity() == before[1]

    def test_of_a_cascade_with_a_model_that_is_not_there_is_an_error(self) -> None:
        cascade = [{"model": "./nowhere", "keep": 30}]
        with pytest.raises(ModelNotFoundError, match="nowhere"):
            Configuration("embedded", {"cascade": cascade}).identity()

    def test_of_a_cascade_asks_no_hub_where_none_may_be_asked(self) -> None:
        cascade = [{"model": "nobody/nothing", "keep": 30}]
        with pytest.raises(HubUnreachableError, match="forbids asking the hub"):
            Configuration("embedded", {"local_files_only": True, "cascade": cascade}).identity()


def test_only_a_weight_a_cascade_and_a_time_budget_make_another_order() -> None:
    ordering = {"first_stage_weight": 1.5, "cascade": [{"model": "a", "keep": 3}], "time_budget": 1}
    unmeasured = {**SHORTER, **CALIBRATED, "higher_is_better": False}
    assert {*ordering, *unmeasured} == RANKING_OPTIONS.keys()
    assert Configuration("embedded", {**unmeasured, **ordering}).ranking == ordering
    for options in (unmeasured, *NO_ORDER):
        assert Configuration("embedded", options).ranking == {}


def test_what_is_done_with_some_results_only_is_not_measured() -> None:
    options = {**SHORTER, "first_stage_weight": 2.0, "backend": "onnx"}
    with Configuration("embedded", options).measured() as reranker:
        assert "backend='onnx'" in repr(reranker)
        assert ranking_function(reranker)("foxes", PASSAGES).read == (8,)
        assert reranker.rank("foxes", PASSAGES)[0].spans == ()
        assert reranker.first_stage_weight == 2.0


def test_options_that_change_no_order_leave_a_model_to_fuse_and_weight(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, file = write_collection(tmp_path / "one"), tmp_path / "rerankers.yaml"
    options = {"short": SHORTER, "none": NO_ORDER[0], "nothing": NO_ORDER[1]}
    listed: dict[str, Any] = {name: {"model": "embedded", **o} for name, o in options.items()}
    listed["two"] = {"model": "embedded", "cascade": [{"model": "embedded", "keep": 2}]}
    file.write_text(yaml.safe_dump(listed, sort_keys=False))
    arguments = ["eval", str(data), "--options", str(file), "--json", "--fuse"]
    assert main([*arguments, "--first-stage-weight", "auto"]) == 0
    captured = capsys.readouterr()
    own = read_own_settings(EMBEDDED_FOLDER).first_stage_weight
    found = [each["name"] for each in json.loads(captured.out)["collections"][0]["reranked"]]
    assert found[4:] == [
        *(f"{name} + first stage, {own:g}" for name in options),
        *(f"{name} + first stage" for name in options),
    ]
    for option in ("--fuse", "--first-stage-weight"):
        assert captured.err.count(f"note: {option} leaves two as it is, which has cascade") == 1


def test_a_calibration_is_measured_of_models_alone_and_refused_if_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, file = write_collection(tmp_path / "one"), tmp_path / "rerankers.yaml"
    file.write_text(yaml.safe_dump({"fused": {"model": "embedded", "first_stage_weight": 2}}))
    arguments = ["eval", str(data), "--options", str(file), "--json", "--calibration"]
    assert main([*arguments, "none.json"]) == 2
    assert "leave it out, or add --model" in " ".join(capsys.readouterr().err.split())
    assert main([*arguments, "auto", "-m", "embedded"]) == 0
    captured = capsys.readouterr()
    assert "--calibration leaves fused as it is, which has first_stage_weight" in captured.err
    assert json.loads(captured.out)["calibration"].keys() == {"embedded"}


def test_memory_of_a_cascade_is_that_of_all_its_models(tiny_model: Path, tmp_path: Path) -> None:
    collection = read_collection(write_collection(tmp_path / "one"))
    scorers = {"same": lambda _, passages: [0.0] * len(passages)}
    comparison = compare(collection, bm25_candidates(collection), scorers)
    cascade = [{"model": str(tiny_model), "keep": 1}]
    found = scoring_memory({"two": Configuration("embedded", {"cascade": cascade})}, [comparison])
    assert found["two"] is not None


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_rerankers_of_a_file_are_measured_beside_those_of_the_command_line(
    form: str, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_collection(tmp_path / "one")
    options = {
        "first stage first": {"model": "embedded", "first_stage_weight": 100, "top_k": 1},
        "two models": {"model": "embedded", "cascade": [{"model": str(tiny_model), "keep": 1}]},
    }
    file = tmp_path / f"rerankers.{form}"
    file.write_text(json.dumps(options) if form == "json" else yaml.safe_dump(options))
    arguments = ["eval", str(data), "--options", str(file), "--json", "--fuse"]
    resumed = ["--resume", str(tmp_path / "scores.db")]
    assert main([*arguments, "-m", "embedded", *resumed]) == 0
    captured = capsys.readouterr()
    collection = json.loads(captured.out)["collections"][0]
    orders = {each["name"]: each for each in collection["reranked"]}
    assert list(orders) == ["embedded", *options, "embedded + first stage"]
    by_query = orders["first stage first"]["by_query"]["nDCG@10"]
    assert by_query == collection["first_stage"]["by_query"]["nDCG@10"]
    assert "--fuse leaves two models as it is, which has cascade" in captured.err
    assert main([*arguments, *resumed]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["answers_of_an_earlier_run"] == {name: 2 for name in options}
    assert [each["name"] for each in again["collections"][0]["reranked"]] == list(options)


def test_the_command_line_gives_what_the_file_leaves_out(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, file = write_collection(tmp_path / "one"), tmp_path / "rerankers.yaml"
    options = {"model": "embedded", "device": "nonsense", "backend": "torch"}
    file.write_text(yaml.safe_dump({"mine": options}))
    arguments = ["eval", str(data), "--options", str(file), "--json"]
    assert main([*arguments, "--device", "cpu"]) == 1
    assert "nonsense" in capsys.readouterr().err
    del options["device"]
    file.write_text(yaml.safe_dump({"mine": options}))
    assert main([*arguments, "--device", "nonsense"]) == 1
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "must map names to options of a reranker, but has NoneType None. For example: with-"),
        ("- embedded", "must map names to options of a reranker, but has list ['embedded']."),
        ("a: [", "is not YAML (while parsing"),
        ("a: " + "[" * 9000, "is not YAML (maximum recursion depth exceeded"),
        ("mine: embedded", "must give options of a reranker for each name, with its model, but"),
        ("1: {model: embedded}", "but has dict {1: {'model': 'embedded'}}. For example:"),
        ("mine: {keep: 3}", "with its model, but has dict {'mine': {'keep': 3}}."),
        (
            "mine: {model: embedded, first_stage_weight: -1}",
            "mine: first_stage_weight must be 'auto' or a number >= 0, but got -1.",
        ),
        ("mine: {model: embedded, depth: 3}", "mine: depth= cannot be used here."),
        ("mine: {model: embedded, 3: depth}", "mine: keywords must be strings"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_that_names_it(
    content: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, file = write_collection(tmp_path / "one"), tmp_path / "rerankers.yaml"
    file.write_text(content)
    assert main(["eval", str(data), "--options", str(file)]) == 1
    error = capsys.readouterr().err
    assert str(file) in error
    assert says in error


def test_a_file_that_is_not_there_or_not_json_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, file = write_collection(tmp_path / "one"), tmp_path / "rerankers.json"
    assert main(["eval", str(data), "--options", str(file)]) == 1
    assert f"cannot read {file}: No such file or directory." in capsys.readouterr().err
    for content in ("mine: {model: embedded}", '{"mine": ' + "[" * 9000):
        file.write_text(content)
        assert main(["eval", str(data), "--options", str(file)]) == 1
        assert f"{file} is not JSON (" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--backend", "torch"], "--backend, --precision and --max-length are for the models of"),
        (["-m", "embedded"], "both have 'embedded'; rename it in the file."),
    ],
)
def test_what_the_file_and_the_command_line_both_say_is_an_error(
    more: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, file = write_collection(tmp_path / "one"), tmp_path / "rerankers.yaml"
    file.write_text("embedded: {model: embedded}")
    assert main(["eval", str(data), "--options", str(file), *more]) == 2
    assert says in " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().err).split())
