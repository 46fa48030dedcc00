"""`rerank plan` of a model whose weights are not here: its small files tell how it would be run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.starts import cache_of_hub
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.scorer import plan_of_small_files
from tests.architectures import SAVED
from tests.commands import Run
from tests.small_hub import COMMIT, small_hub
from tests.tiny_models import edit_json, save_tiny_chat_model, save_tiny_cross_encoder

UNSEEN = "not here: names and shapes were not checked"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder without its weights."""
    return weightless(save_tiny_cross_encoder(tmp_path / "model"))


def weightless(folder: Path) -> Path:
    for file in folder.rglob("*.safetensors"):
        file.unlink()
    return folder


def rows_of(printed: str) -> dict[str, str]:
    return {name: value for name, value in (row.split(maxsplit=1) for row in printed.splitlines())}


@pytest.mark.parametrize(
    "save", [SAVED["ettin"], save_tiny_chat_model], ids=["a graph", "for torch alone"]
)
def test_the_plan_is_that_of_the_model_with_weights(
    rerank: Run, tmp_path: Path, save: Callable[[Path], Path]
) -> None:
    folder = save(tmp_path / "model")
    seen = rows_of(rerank("plan", folder)[1])
    weightless(folder)
    code, out, _ = rerank("plan", folder)
    unseen = rows_of(out)
    assert code == 0
    assert unseen == {
        **{name: seen[name] for name in ("backend", "precision", "reason")},
        "weights": UNSEEN,
    }


def test_what_the_tokenizer_does_decides_too(rerank: Run, folder: Path) -> None:
    edit_json(folder / "tokenizer_config.json", truncation_side="left")
    rows = rows_of(rerank("plan", folder)[1])
    assert rows["reason"] == "torch because its tokenizer cuts texts at their beginning"
    code, _, err = rerank("plan", folder, "--backend", "onnx")
    assert code == 1
    assert "cuts texts at their beginning. Use --backend torch." in err


def test_a_tokenizer_of_another_model_is_refused(rerank: Run, folder: Path) -> None:
    edit_json(folder / "config.json", vocab_size=20)
    code, _, err = rerank("plan", folder)
    assert code == 1
    assert "the model has embeddings for 20 tokens" in err


@pytest.mark.parametrize(
    ("package", "options", "extra"),
    [
        ("jax", ("--backend", "jax"), "jax"),
        ("openvino", ("--backend", "openvino"), "openvino"),
        ("nncf", ("--precision", "int8"), "int8"),
    ],
)
def test_a_backend_that_is_not_installed_is_no_plan(
    rerank: Run,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    options: tuple[str, ...],
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    code, _, err = rerank("plan", folder, *options)
    assert code == 1
    assert re.search(rf"needs {package}, which is not installed. Type: .*\[{extra}\]", err)


def test_nothing_is_measured_and_the_reason_is_told(rerank: Run, folder: Path) -> None:
    code, out, err = rerank("plan", folder, "--machine")
    assert code == 0
    assert rows_of(out)["weights"] == UNSEEN
    assert err.endswith(
        "note: nothing was measured, because the weights are not here. First copy "
        f"model.safetensors into {folder}\n"
    )


@pytest.mark.parametrize("kind", ["pytorch_model.bin", "onnx/model.onnx"])
def test_weights_that_are_never_loaded_are_refused_as_they_are_when_loading(
    rerank: Run, folder: Path, kind: str
) -> None:
    (folder / kind).parent.mkdir(exist_ok=True)
    (folder / kind).write_bytes(b"weights")
    code, _, err = rerank("plan", folder)
    assert code == 1
    assert "has no safetensors weights" in err


@pytest.mark.parametrize("lacking", ["one of several files", "all but another form"])
def test_weights_that_a_cache_has_in_part_are_not_here(tmp_path: Path, lacking: str) -> None:
    model = SAVED["bert in several files"](tmp_path / "model")
    if lacking == "one of several files":
        next(model.glob("*.safetensors")).unlink()
    else:
        weightless(model)
        (model / "onnx").mkdir()
        (model / "onnx" / "model.onnx").write_bytes(b"a graph")
    cache = tmp_path / "cache"
    cache_of_hub("tiny/ranker", model, cache)
    with CrossEncoderScorer("tiny/ranker", cache_folder=cache, local_files_only=True) as scorer:
        plan = plan_of_small_files(scorer)
    assert plan is not None
    assert (plan.backend, plan.precision) == ("openvino", "fp32")


SESSION = """
import json, sys
from rerank_plugins.cli import main
for arguments in json.loads(sys.argv[1]):
    main(["plan", "tiny/ranker", *arguments])
"""


def test_no_weights_of_a_hub_model_are_downloaded_until_that_is_typed(
    tmp_path: Path, tiny_model: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    (model / "model.safetensors").rename(model / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"classifier.bias": "model-00001-of-00001.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    cache = tmp_path / "cache"

    def session(*commands: list[str]) -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", SESSION, json.dumps(commands)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout, done.stderr

    with small_hub({"tiny/ranker": model}, gated="") as (endpoint, served):
        environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_CACHE": str(cache)}
        out, err = session(["--revision", COMMIT, "--machine"])
        assert rows_of(out)["backend"] == "openvino"
        assert rows_of(out)["weights"] == UNSEEN
        assert "tokenizer.json" in served
        assert not [name for name in served if name.endswith(".safetensors")]
        said = re.search(r"the weights are not here\. First type: (.*hf download .*)\n", err)
        assert said is not None, err
        subprocess.run(["sh", "-ec", said[1]], env=environment, check=True)
        assert served.count("model-00001-of-00001.safetensors") == 1
        out, _ = session(["--revision", COMMIT, "--backend", "onnx"])
        assert "weights" not in rows_of(out)
