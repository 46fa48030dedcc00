"""The generated matrix of architectures, heads, backends and precisions."""

from benchmarks.matrix import MODELS, TITLE, WAYS, Distance, distances, render
from tests.architectures import DESIGNS


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
