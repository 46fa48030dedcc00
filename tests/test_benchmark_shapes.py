"""The benchmark of shapes: its folders, its arithmetic and its report; times are not tested."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from benchmarks import shapes
from benchmarks.model_speeds import PAGE, REPORT, with_speeds
from benchmarks.shape_folders import SHAPES, Shape, save_shape
from benchmarks.shapes import Row, measure, render, requests
from benchmarks.work import Sizes, Work, pair_work

KINDS = {
    "BERT": "cross-encoder/ms-marco-MiniLM-L4-v2",
    "Ettin": "cross-encoder/ettin-reranker-17m-v1",
    "ModernBERT": "Alibaba-NLP/gte-reranker-modernbert-base",
    "DeBERTa": "mixedbread-ai/mxbai-rerank-xsmall-v1",
    "XLM-RoBERTa": "BAAI/bge-reranker-base",
}


def small(name: str) -> Shape:
    """The shape of a model, small."""
    shape = SHAPES[KINDS[name]]
    return replace(shape, sizes=replace(shape.sizes, layers=2, width=64, heads=4, inner=48))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_shape_is_a_model_that_gives_a_score_for_a_pair(
    name: str, tmp_path: Path
) -> None:
    parameters = save_shape(small(name), tmp_path)
    model = CrossEncoder(str(tmp_path), device="cpu", local_files_only=True)
    assert sum(each.numel() for each in model.parameters()) >= parameters > 64 * 30_000
    scores = model.predict([("why is the sky blue", "Blue light scatters."), ("why", "Rain.")])
    assert scores.shape == (2,)
    assert scores[0] != scores[1]


def test_pairs_have_the_tokens_that_the_report_says() -> None:
    passages, lengths = requests()
    assert len(passages) == len(lengths) > 100
    assert np.mean(lengths) == pytest.approx(shapes.TOKENS, abs=2)
    assert np.std(lengths) > 10


def test_what_the_last_layer_leaves_out_is_no_work() -> None:
    sizes = Sizes(layers=3, width=8, heads=2, inner=16)
    one = pair_work(replace(sizes, layers=1), [10])
    assert one.linear == 2 * (4 * 8 * 8 + 2 * 8 * 16)  # of the first token
    nothing, keys, everything = (
        pair_work(replace(sizes, last=last), [10]) for last in ("nothing", "keys", "all")
    )
    assert nothing.linear < keys.linear < everything.linear
    assert everything.linear == 10 * 3 * one.linear
    assert everything.attention == 3 * 4 * 8 * 100
    gated = pair_work(replace(sizes, gated=True, last="all"), [10])
    assert gated.linear - everything.linear == 3 * 10 * 2 * 8 * 16


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Row]:
    def of(shape: Shape, *ways: str) -> Row:
        monkeypatch.setattr(shapes, "ROUNDS", 1)
        monkeypatch.setattr(shapes, "REST", 0)
        monkeypatch.setattr(shapes, "WAYS", {way: shapes.WAYS[way] for way in ways})
        monkeypatch.setattr(shapes, "cpu_has_bf16", lambda: False)
        return measure(shape, tmp_path)

    return of


def test_a_shape_is_measured_in_processes_of_their_own(measured: Callable[..., Row]) -> None:
    row = measured(small("BERT"), "openvino fp32", "openvino bf16")
    assert set(row.speeds) == set(row.rates) == {shapes.STOCK, "openvino fp32"}
    assert all(value > 0 for value in (*row.speeds.values(), *row.rates.values()))
    assert row.missing == {"openvino bf16": "this processor has no bf16 instructions"}


def test_the_report_has_ratios_shares_and_the_reasons_of_what_is_missing() -> None:
    speeds = {"`predict` fp32": 50.0, "onnx fp32": 75.0, "openvino fp32": 100.0}
    row = Row(
        million=16.8,
        work=Work(9e8, 1e8),
        speeds=speeds,
        rates=dict.fromkeys(speeds, 2e11),
        missing={"openvino bf16": "no bf16\n here.", "openvino int8": "no nncf"},
    )
    lines = render({"a/one": row, "a/two": row}).splitlines()
    assert lines[0] == shapes.TITLE
    assert "| `a/one` | 17 | 1.00 | 50 | 75 (1.50x) | 100 (2.00x) |  |  |" in lines
    assert "| `a/one` | 25% | 38% | 50% |  |  |" in lines
    assert "- openvino bf16, `a/one`, `a/two`: no bf16 here." in lines
    assert any("openvino fp32 200" in line for line in lines)


def test_speeds_are_copied_from_the_report_to_the_page_on_models() -> None:
    speeds = {"`predict` fp32": 50.0, "onnx fp32": 150.0, "openvino fp32": 100.0}
    row = Row(16.8, Work(9e8, 1e8), speeds, dict.fromkeys(speeds, 2e11), {})
    page = "| `a/one` | 17 | 9 | 9 | 9 | 9 |\n| `a/two` | 17 | | | | |\n"
    filled = with_speeds(page, render({"a/one": row}))
    assert filled == "| `a/one` | 17 | 50 | 150 | | |\n| `a/two` | 17 | | | | |\n"


def test_the_page_on_models_has_the_speeds_of_the_report() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_speeds(page, REPORT.read_text(encoding="utf-8")) == page
    assert all(f"| `{name}` |" in page for name in SHAPES)
