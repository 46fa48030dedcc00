"""The benchmark of starts: its cache, its report, and how it watches processes."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import starts
from benchmarks.shape_folders import SHAPES
from benchmarks.starts import MODELS, TITLE, Start, measure, render
from benchmarks.watched import Watched, watched, with_bytecode


def test_a_model_of_the_cache_is_started_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "cross-encoder/ettin-reranker-17m-v1"
    assert name in MODELS
    sizes = replace(SHAPES[name].sizes, layers=2, width=64, heads=4, inner=48)
    monkeypatch.setitem(SHAPES, name, replace(SHAPES[name], sizes=sizes))
    monkeypatch.setattr(starts, "ROUNDS", 1)
    row = measure(name, {"onnx fp32": ("onnx", "fp32")}, tmp_path)
    assert row.million > 3
    (one,) = row.ways["onnx fp32"]
    assert min(one.seconds, one.private, one.shared) > 0


def test_the_report_has_the_median_and_the_slowest() -> None:
    found = [Watched(0.5, 120.0, 80.0), Watched(0.9, 130.0, 90.0), Watched(0.4, 110.0, 70.0)]
    lines = render({"a/one": Start(16.8, {"onnx fp32": found})}).splitlines()
    assert lines[0] == TITLE
    assert lines[-1] == "| `a/one` | 67 | onnx fp32 | 0.50 | 0.90 | 120 | 80 |"


def test_a_watched_process_has_the_memory_that_it_took() -> None:
    code = "import time; x = bytearray(b'1') * 60_000_000; time.sleep(0.1)"
    found = watched([sys.executable, "-c", code])
    assert 60 < found.private < 120
    assert found.shared > 0
    assert found.seconds > 0.1
    with pytest.raises(subprocess.CalledProcessError) as caught:
        watched([sys.executable, "-c", "import sys; sys.exit('torch was imported')"])
    assert caught.value.output == "torch was imported"


def test_processes_find_the_bytecode_of_those_before(tmp_path: Path) -> None:
    (tmp_path / "module.py").touch()
    watched(
        [sys.executable, "-c", f"import sys; sys.path[0] = {str(tmp_path)!r}; import module"],
        with_bytecode(tmp_path / "bytecode"),
    )
    assert any((tmp_path / "bytecode").rglob("module.*.pyc"))
