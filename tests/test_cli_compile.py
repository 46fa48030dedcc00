"""`rerank compile` and `rerank plan`."""

import json
from pathlib import Path

import pytest

from rerank_plugins.backends import choice
from tests.commands import Run


def test_a_compiled_model_ranks_as_the_model_does(rerank: Run, tmp_path: Path) -> None:
    passages = tmp_path / "passages.txt"
    passages.write_text("Soap clings to grease.\nHard water leaves scum.\n", encoding="utf-8")
    bundle = tmp_path / "bundle"
    code, out, err = rerank("compile", "embedded", "--backend", "openvino", "-o", bundle)
    assert (code, out) == (0, "")
    assert f"MB written to {bundle}" in err
    assert "where it runs, it needs rerank-plugins[openvino]\n" in err
    model = rerank("rank", "what removes grease", passages, "--backend", "openvino")
    assert rerank("rank", "what removes grease", passages, "-m", bundle) == model
    assert model[0] == 0


def test_a_plan_is_a_line_for_each_thing_chosen(rerank: Run) -> None:
    code, out, _ = rerank("plan", "embedded", "--backend", "openvino")
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert rows["backend"] == "openvino"
    assert rows["precision"] == "fp32"
    assert rows["streams"] == "1"
    assert "asked for" in rows["reason"]


def test_commands_run_a_bundle_as_it_was_compiled_and_refuse_another_precision(
    rerank: Run, tiny_model: Path, tmp_path: Path
) -> None:
    pairs = [{"query": "red fox", "positive": text} for text in ("the red fox", "sea", "a dog")]
    calibration, bundle = tmp_path / "pairs.jsonl", tmp_path / "bundle"
    calibration.write_text("\n".join(map(json.dumps, pairs)))
    options = ("--precision", "int8", "--calibration", calibration, "-o", bundle)
    assert rerank("compile", tiny_model, *options)[0] == 0
    code, out, _ = rerank("plan", bundle)
    assert code == 0
    assert dict(line.split(maxsplit=1) for line in out.splitlines())["precision"] == "int8"
    passages = tmp_path / "passages.txt"
    passages.write_text("the red fox\na dog\n", encoding="utf-8")
    ranked = rerank("rank", "red fox", passages, "-m", bundle)
    assert ranked[0] == 0
    assert rerank("rank", "red fox", passages, "-m", bundle, "--precision", "int8") == ranked
    code, _, err = rerank("rank", "red fox", passages, "-m", bundle, "--precision", "fp32")
    assert code == 1
    assert "is a bundle for --backend openvino in --precision int8; got" in err


def test_a_bundle_in_fp32_is_run_in_bf16_when_it_is_loaded(
    rerank: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "cpu_has_bf16", lambda: True)
    assert rerank("compile", tiny_model, "-o", tmp_path / "bundle")[0] == 0
    for options, precision in (((), "fp32"), (("--precision", "bf16"), "bf16")):
        _, out, _ = rerank("plan", tmp_path / "bundle", *options)
        assert dict(line.split(maxsplit=1) for line in out.splitlines())["precision"] == precision
    code, _, err = rerank("compile", tiny_model, "--precision", "bf16", "-o", tmp_path / "other")
    assert code == 2
    assert "'bf16' is not one of 'fp32', 'int8'" in err
    assert not (tmp_path / "other").exists()


def test_errors_are_told_in_the_words_of_the_command(rerank: Run, tmp_path: Path) -> None:
    code, _, err = rerank("plan", "embedded", "--backend", "onnx", "--precision", "int8")
    assert code == 1
    assert "Use --backend openvino for int8" in err
    (tmp_path / "notes.txt").touch()
    code, _, err = rerank("compile", "embedded", "-o", tmp_path)
    assert code == 1
    assert "not a bundle" in err


@pytest.mark.parametrize("line", ['{"query": "a"}', '["a", "b"]', '{"query": 1, "positive": "b"}'])
def test_a_line_that_is_no_pair_is_named(rerank: Run, tmp_path: Path, line: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"query": "a", "positive": "b"}) + "\n" + line + "\n")
    arguments = ("--precision", "int8", "--calibration", file, "-o", tmp_path / "bundle")
    code, _, err = rerank("compile", "embedded", *arguments)
    assert code == 1
    assert "line 2" in err
    assert '"positive"' in err
