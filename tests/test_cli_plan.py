"""`rerank plan --machine`: every way that can run a model here is measured, and no other."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rerank_plugins import compile_model
from rerank_plugins.backends import choice
from rerank_plugins.cli import main, plan_machine
from tests.architectures import SAVED
from tests.tiny_models import save_tiny_chat_model

Run = Callable[..., tuple[list[list[str]], str]]


@pytest.fixture
def measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The cells of each row of the table, and the notes."""
    monkeypatch.setattr(plan_machine, "PASSAGES", 3)
    monkeypatch.setattr(plan_machine, "_ROUNDS", 2)
    monkeypatch.setattr(choice, "cpu_has_bf16", lambda: False)

    def run(*arguments: object) -> tuple[list[list[str]], str]:
        assert main(["plan", *map(str, arguments), "--machine"]) == 0
        captured = capsys.readouterr()
        table = captured.out.partition("backend   precision")[2] or captured.out
        rows = [line.split() for line in captured.out.splitlines() if " ms " in line]
        assert "pairs/s" in table
        return rows, captured.err

    return run


def ways(rows: list[list[str]]) -> set[str]:
    return {" ".join(row[:2]) for row in rows}


def test_a_model_is_measured_in_every_way_that_can_run_it(measured: Run, tiny_model: Path) -> None:
    rows, notes = measured(tiny_model)
    assert ways(rows) == {"torch fp32", "torch bf16", "torch fp16", "onnx fp32", "openvino fp32"}
    pairs_per_second = [int(row[2]) for row in rows]
    assert pairs_per_second == sorted(pairs_per_second, reverse=True)
    off = {" ".join(row[:2]): float(row[-1]) for row in rows}
    assert off["onnx fp32"] < 1e-5
    assert off["openvino fp32"] < 1e-5
    assert off["torch bf16"] > 1e-5
    assert "not measured in openvino bf16: --backend openvino runs bf16 on processors" in notes
    assert f"rerank plan {tiny_model} --machine --precision int8\n" in notes


def test_options_say_what_is_measured(measured: Run, tiny_model: Path) -> None:
    assert ways(measured(tiny_model, "--precision", "fp32")[0]) == {
        "torch fp32",
        "onnx fp32",
        "openvino fp32",
    }
    rows, notes = measured(tiny_model, "--backend", "onnx")
    assert ways(rows) == {"onnx fp32"}
    assert notes == ""
    rows, _ = measured(tiny_model, "--backend", "jax", "--precision", "bf16")
    assert ways(rows) == {"jax fp32", "jax bf16"}


def test_a_reason_is_told_once_for_all_ways_that_it_rules_out(
    measured: Run, tmp_path: Path
) -> None:
    rows, notes = measured(save_tiny_chat_model(tmp_path))
    assert ways(rows) == {"torch fp32", "torch bf16", "torch fp16"}
    assert "int8" not in notes
    assert notes.count("not measured in") == 1
    assert "not measured in onnx fp32, openvino fp32, openvino bf16" in notes
    assert "does not become a graph: its architecture is Qwen2ForCausalLM" in notes


def test_a_bundle_is_measured_as_its_graph_runs(
    measured: Run, tiny_model: Path, tmp_path: Path
) -> None:
    bundle = compile_model(tiny_model, tmp_path / "bundle")
    rows, notes = measured(bundle)
    assert ways(rows) == {"openvino fp32"}
    assert "not measured in openvino bf16" in notes
    assert "int8" not in notes.partition("bf16")[0]
    assert "Type:" not in notes


def test_int8_is_measured_where_it_is_asked_for(measured: Run, tiny_model: Path) -> None:
    rows, _ = measured(tiny_model, "--precision", "int8")
    assert ways(rows) == {"openvino fp32", "openvino int8"}
    off = {row[1]: float(row[-1]) for row in rows}
    assert off["fp32"] == 0 < off["int8"]


def test_a_model_with_several_columns_is_planned_and_measured_without_a_label(
    measured: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SAVED["bert, three columns"](tmp_path / "model")
    assert main(["plan", str(folder)]) == 0
    assert "fp32" in capsys.readouterr().out
    rows, _ = measured(folder, "--backend", "onnx")
    assert ways(rows) == {"onnx fp32"}
