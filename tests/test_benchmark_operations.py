"""The benchmark of where the time goes: what it counts; times are not tested."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import operations
from benchmarks.operations import TITLE, Row, measure, render
from benchmarks.shape_folders import SHAPES
from rerank_plugins.backends.machine import cpu_has_bf16


@pytest.mark.parametrize(
    "name", ["cross-encoder/ms-marco-MiniLM-L4-v2", "cross-encoder/ettin-reranker-17m-v1"]
)
def test_products_attention_and_the_rest_are_all_counted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "ROUNDS", 1)
    shape = SHAPES[name]
    small = replace(shape, sizes=replace(shape.sizes, layers=2, width=128, heads=4, inner=192))
    rows = dict(measure(small, tmp_path))
    bf16 = ["openvino bf16"] if cpu_has_bf16() else []
    assert list(rows) == ["openvino fp32", *bf16, "openvino int8"]
    for row in rows.values():
        assert min(row.products, row.attention, row.rest) > 0.01
        assert 0 < row.around < 1
        assert 0 < row.share < row.reachable


def test_the_report_says_what_is_left_to_gain() -> None:
    row = Row(speed=250.4, share=0.6, products=0.6, attention=0.2, rest=0.15)
    lines = render({"shape": {"openvino fp32": row}}).splitlines()
    assert lines[0] == TITLE
    assert lines[-1] == "| `shape` | openvino fp32 | 250 | 60% | 20% | 15% | 5% | 60% | 75% |"
