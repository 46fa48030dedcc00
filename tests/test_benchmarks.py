"""The benchmarks' own arithmetic and report; what they measure is not tested."""

import asyncio
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino.opset13 as opset
import pytest
from transformers import AutoConfig

from benchmarks import budget, cache, report, roofline, rounding, spans, summed
from benchmarks.report import measured_here, with_section
from benchmarks.ways import Texts
from benchmarks.work import pair_work
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.evaluation.timing import timed_answer
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.testing import DeterministicScorer
from tests.test_evaluation import write_collection


def test_the_work_of_a_pair_is_that_of_the_embedded_models_matrices() -> None:
    config = AutoConfig.from_pretrained(EMBEDDED_FOLDER)
    hidden, inner, tokens = config.hidden_size, config.intermediate_size, 100
    full = 4 * hidden * hidden + 2 * hidden * inner
    body = (config.num_hidden_layers - 1) * full * tokens
    scores = 2 * hidden * tokens * (config.num_hidden_layers - 1) * tokens
    first = 2 * config.num_attention_heads * hidden * tokens  # the last layer's, on whole states

    work = pair_work(roofline.SIZES, [tokens])

    assert work.linear == pytest.approx(2 * (body + full))
    assert work.attention == pytest.approx(2 * (scores + first))
    assert work.total == pytest.approx(1.11e9, rel=0.01)


def test_a_section_takes_the_place_of_the_one_of_its_title() -> None:
    old = "# Benchmarks\n\nHow.\n\n## One\n\nold\n\n## Two\n\nkept\n"

    assert with_section(old, "## One\n\nnew") == old.replace("old", "new")


def test_a_section_says_when_where_and_with_what_it_was_measured() -> None:
    title, blank, line, *rest = measured_here("## One\n\n| table |", "2026-01-02").split("\n")

    assert (title, blank, rest) == ("## One", "", ["", "| table |"])
    assert line.startswith("2026-01-02, ")
    assert f"torch {version('torch')}" in line


def test_a_package_that_is_not_installed_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PACKAGES", ("no-such-package", "numpy"))

    line = measured_here("## One\n\n| table |", "2026-01-02").split("\n")[2]

    assert "no-such-package" not in line
    assert f"numpy {version('numpy')}" in line


def test_a_new_section_goes_to_the_end() -> None:
    assert with_section("# Benchmarks\n\nHow.\n", "## One\n\nnew") == (
        "# Benchmarks\n\nHow.\n\n## One\n\nnew\n"
    )


def test_the_int8_rounding_spelled_out_is_what_openvino_computes() -> None:
    values = np.random.default_rng(3).normal(size=(4, 50)).astype(np.float32)
    asked = opset.parameter(values.shape, np.float32)
    limits = [opset.constant(np.float32(limit)) for limit in (-1.0, 1.5, -0.9, 1.6)]
    whole = opset.fake_quantize(asked, *limits, levels=256)
    core = openvino.Core()

    def computed(output: Any) -> Any:
        model = openvino.Model([output], [asked])
        return core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([values])[0]

    wanted = computed(whole.output(0))
    assert computed(rounding.spelled_out(whole)) == pytest.approx(wanted, abs=1e-6)
    assert len(np.unique(wanted)) > 50
    assert np.abs(wanted - values).max() > 0.01


def test_scores_rounded_to_bf16_are_near_and_not_the_same(tiny_model: Path) -> None:
    passages = ["a red fox", "the sea is blue", "fire and water"]
    with CrossEncoderScorer(tiny_model) as scorer:
        exact = scorer.score("red fox", passages)
    rounded = rounding.rounded(tiny_model)("red fox", passages)
    assert rounded == pytest.approx(exact, abs=0.1)
    assert rounded != pytest.approx(exact, abs=1e-6)


def test_the_cost_of_rounding_is_a_row_for_each_collection_and_their_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [write_collection(tmp_path / name) for name in ("one", "two")]
    ways = {
        "fp32": lambda _, passages: [float(len(passage)) for passage in passages],
        "other": lambda _, passages: [0.5 - len(passage) for passage in passages],
    }
    rounding.measure(folders, ways, sample=10, depth=10)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| one", "| two", "| mean"]
    assert lines[5].startswith("fp32: ")
    assert "0 better, 0 worse, p 1.000; logits at most 0 off" in lines[5]
    assert re.search(r"other: .* \d worse, p .*; logits at most \d+ off", lines[6])


def test_a_sum_of_two_scorers_is_ranked_beside_them(tmp_path: Path) -> None:
    folder = write_collection(tmp_path / "one")
    scorers = {
        "cosine": lambda _, passages: [0.5 - len(passage) / 1000 for passage in passages],
        "model": lambda _, passages: [float(len(passage)) for passage in passages],
    }
    ((name, values),) = summed.rankings(
        [folder], scorers, [0.0, 1e6], sample=10, depth=10, ask=timed_answer
    )
    assert name == "one"
    assert list(values) == ["model", "cosine", "+ 0 x cosine", "+ 1e+06 x cosine"]
    assert values["+ 0 x cosine"] == values["model"]
    assert values["+ 1e+06 x cosine"] == values["cosine"]
    assert values["model"] != values["cosine"]


@pytest.mark.parametrize("seconds", [0.05, None])
def test_the_load_of_callers_with_a_budget_counts_what_is_run_and_what_is_given(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, seconds: float | None
) -> None:
    monkeypatch.setattr(budget, "SECONDS", 0.2)
    data = Texts(["red fox"], [f"passage {number}" for number in range(30)], [])
    with CrossEncoderScorer(tiny_model, backend="torch") as scorer:
        scorer.warm_up()
        counted = budget.Counted(scorer._shared.engine.backends[0])
        scorer._shared.engine.backends[0] = counted
        done = asyncio.run(budget._measured(scorer, data, 3, 20, seconds))
    assert len(done.latencies) == len(done.depths) >= 3
    assert counted.pairs == sum(done.depths)
    assert counted.seconds
    row = budget._row(4, 3, seconds, done, counted, rate=1000.0)
    assert row.endswith("| 0 |")
    assert row.count("|") == 11


def test_the_benchmark_of_spans_says_what_is_found_and_kept(tmp_path: Path) -> None:
    text = "A dog barks.\n\nThe red fox sleeps. It is a red animal.\n\nThe sea is blue."
    start, end = text.index("The red"), text.index("\n\nThe sea")
    rows = {
        "corpus": {"_id": "p", "title": "Animals", "text": text},
        "queries": {"_id": "q", "text": "red fox"},
        "answers": {"query": "q", "passage": "p", "start": start, "end": end},
    }
    for name, row in rows.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row), encoding="utf-8")
    questions = spans.read_questions(tmp_path, half=None)
    (found,) = spans.measured(DeterministicScorer(), questions)
    assert (found.span, found.bm25, found.kept, found.cut) == (True, True, True, True)
    assert found.chance == 0.5
    assert found.whole == pytest.approx(41 / 42, abs=0.03)
    assert 0.3 < found.removed < 0.7
    assert found.removed_wide <= found.removed


def test_a_request_to_the_score_cache_has_the_share_of_passages_that_it_is_to_have() -> None:
    data = Texts(["query"], [f"passage {at}." for at in range(80)], [])
    earlier = set(cache.passages_of(data, 3, 0.0, 3))
    assert len(earlier) == cache.PASSAGES
    for share in cache.SHARES:
        passages = cache.passages_of(data, 9, share, 3)
        assert len(set(passages)) == cache.PASSAGES
        assert len(earlier & set(passages)) == round(share * cache.PASSAGES)


def test_the_cost_of_keeping_is_measured_in_a_file_of_the_size_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "KEPT", 3000)
    data = Texts(["query"], [f"passage {at}." for at in range(80)], [])
    look_up, keep, size = cache._costs(tmp_path / "scores.sqlite", data)
    assert look_up > 0
    assert keep > 0
    assert size > 0
