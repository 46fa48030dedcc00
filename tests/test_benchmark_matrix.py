"""The generated matrix of architectures, heads, backends and precisions."""

from pathlib import Path

import pytest

from benchmarks import matrix
from benchmarks.matrix import (
    MODELS,
    SPEED_TITLE,
    STOCK,
    TITLE,
    WAYS,
    Distance,
    distances,
    render,
    render_speeds,
    speeds,
    wider,
)
from rerank_plugins.backends.graphs.networks import read_parts
from tests.architectures import DESIGNS, save


def test_an_architecture_is_compared_in_every_way_that_runs_it() -> None:
    found = distances("bert", [("torch", "fp32"), ("onnx", "fp32"), ("onnx", "bf16")])
    assert set(found) == {"torch fp32", "onnx fp32"}
    assert all(each.exact < 1e-5 and each.stable < 1e-5 for each in found.values())


def test_every_design_of_the_matrix_is_one_of_the_tests() -> None:
    assert set(MODELS) <= set(DESIGNS)
    assert {"torch", "onnx", "openvino"} <= {backend for backend, _ in WAYS}


def test_the_matrix_has_a_row_for_each_model_and_leaves_empty_what_does_not_run() -> None:
    rows = {
        "one": {"torch fp32": Distance(0.0, 1e-6), "onnx fp32": Distance(2e-6, 0.0)},
        "two": {"torch fp32": Distance(3e-6, 0.0)},
    }
    lines = render(rows).splitlines()
    assert lines[0] == TITLE
    assert lines.count("| | torch fp32 | onnx fp32 |") == 2
    assert "| one | 0e+00 | 2e-06 |" in lines
    assert "| one | 1e-06 | 0e+00 |" in lines
    assert "| two | 3e-06 |  |" in lines


@pytest.mark.parametrize("name", ["distilbert", "ettin, mean"])
def test_speed_is_measured_in_the_width_and_depth_of_the_reference_model(
    tmp_path: Path, name: str
) -> None:
    encoder, _ = read_parts(save(wider(DESIGNS[name]), tmp_path))
    assert encoder.width == 384
    assert ".3." in encoder.last_layer


def test_an_architecture_is_timed_in_every_way_that_runs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for setting, value in {"REST": 0, "ROUNDS": 1, "PAIRS_AT_ONCE": 2, "LAYERS": 2}.items():
        monkeypatch.setattr(matrix, setting, value)
    found = speeds("bert", [("onnx", "fp32"), ("onnx", "bf16")])
    assert set(found) == {STOCK, "onnx fp32"}
    assert all(rate > 0 for rate in found.values())


def test_speeds_are_given_as_multiples_of_predict() -> None:
    rows = {"one": {STOCK: 50.0, "onnx fp32": 75.0}, "two": {STOCK: 40.0, "torch fp32": 40.0}}
    lines = render_speeds(rows).splitlines()
    assert lines[0] == SPEED_TITLE
    assert f"| | {STOCK} | torch fp32 | onnx fp32 |" in lines
    assert "| one | 50 |  | 1.50x |" in lines
    assert "| two | 40 | 1.00x |  |" in lines
