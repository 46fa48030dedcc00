"""Bundles: what compiling writes, who reads it, and what is refused; the cache behind `auto`."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
import pytest
from sentence_transformers import CrossEncoder

from rerank_plugins import (
    BundleError,
    CrossEncoderScorer,
    InvalidInputError,
    ModelError,
    UnsupportedOptionError,
    compile_model,
)
from rerank_plugins.backends import choice
from rerank_plugins.backends.graphs import cache as graph_cache
from rerank_plugins.backends.graphs.bundle import bundle_needs
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.messages.commands import install_command
from rerank_plugins.models.references import EMBEDDED_FOLDER
from tests.architectures import DESIGNS, save
from tests.forked import run_forked
from tests.tiny_models import edit_json, save_tiny_cross_encoder
from tests.unknown_user import USER, needs_root, run_as_unknown_user
from tests.wide_weights import PAIRS as WIDE_PAIRS

INT8 = 0.2
"""How far int8 may be from fp32 in such a tiny model."""

PAIRS = [("what is a red fox", "the red fox is a small dog"), ("sea", "the sea is water " * 40)]
WITHOUT_TORCH = (
    "import json, sys\n"
    "for name in ('torch', 'sentence_transformers', 'transformers', 'huggingface_hub', 'nncf'):\n"
    "    sys.modules[name] = None\n"
    "from rerank_plugins import CrossEncoderScorer\n"
    "scorer = CrossEncoderScorer(sys.argv[1])\n"
    "print(json.dumps(scorer.score_pairs(map(tuple, json.load(sys.stdin))).tolist()))\n"
)


def start(code: str, *arguments: object, cache: Path | None = None) -> subprocess.Popen[str]:
    """A process that has the pairs on its standard input."""
    environment = {**os.environ, **({"XDG_CACHE_HOME": str(cache)} if cache else {})}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
    assert process.stdin is not None
    with process.stdin as stdin:
        json.dump(PAIRS, stdin)
    return process


def output_of(process: subprocess.Popen[str]) -> str:
    with process:
        assert process.stdout is not None
        return process.stdout.read()


@pytest.fixture(scope="module")
def wanted(tiny_model: Path) -> np.ndarray:
    with CrossEncoderScorer(tiny_model, backend="torch", device="cpu") as scorer:
        return scorer.score_pairs(PAIRS)


@pytest.fixture(scope="module")
def bundle(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_model(tiny_model, tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def processor_with_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO runs bf16 on every processor, slowly where there are no instructions for it."""
    monkeypatch.setattr(choice, "cpu_has_bf16", lambda: True)


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    """A bundle to damage."""
    for file in bundle.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_bundle_scores_as_its_model_without_torch_or_transformers(
    tiny_model: Path, wanted: np.ndarray, tmp_path: Path, backend: str
) -> None:
    compile_model(tiny_model, tmp_path / "bundle", backend=backend)
    code = WITHOUT_TORCH
    if backend == "onnx":  # the least there can be: onnxruntime, tokenizers and numpy
        code = code.replace("'nncf'", "'nncf', 'openvino', 'safetensors'")
    output = output_of(start(code, tmp_path / "bundle"))
    np.testing.assert_allclose(json.loads(output), wanted, atol=1e-5)


@pytest.mark.parametrize(("backend", "precision"), [("onnx", "fp32"), ("openvino", "fp32")])
def test_the_embedded_model_is_compiled_without_torch(
    tmp_path: Path, backend: str, precision: str
) -> None:
    code = WITHOUT_TORCH.replace(
        "scorer =",
        "from rerank_plugins import compile_model\n"
        f"compile_model('embedded', sys.argv[1], backend={backend!r}, precision={precision!r})\n"
        "scorer =",
    )
    output = output_of(start(code, tmp_path / "bundle"))
    with CrossEncoderScorer("embedded") as scorer:
        np.testing.assert_allclose(json.loads(output), scorer.score_pairs(PAIRS), atol=1e-5)


def test_a_manifest_says_what_the_bundle_is(tiny_model: Path, bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["model"] == str(tiny_model)
    assert manifest["architecture"] == "BertForSequenceClassification"
    assert (manifest["backend"], manifest["precision"]) == ("openvino", "fp32")
    assert manifest["measured"] == []
    assert set(manifest["versions"]) == {"openvino", "onnx", "rerank-plugins"}
    assert set(manifest["sha256"]) == {"model.xml", "model.bin", "tokenizer.json"}
    assert manifest["settings"]["limit"] == 64
    assert manifest["needs"] == ["rerank-plugins[openvino]"]


@pytest.mark.parametrize(
    ("backend", "precision", "needs"),
    [
        ("onnx", "fp32", ["rerank-plugins"]),
        ("openvino", "fp32", ["rerank-plugins[openvino]"]),
        ("openvino", "int8", ["rerank-plugins[openvino]", "VNNI"]),
    ],
)
def test_what_a_bundle_needs_is_said(backend: str, precision: str, needs: list[str]) -> None:
    said = bundle_needs(backend, precision)
    assert len(said) == len(needs)
    assert all(need in each for need, each in zip(needs, said, strict=True))
    assert said[0] == needs[0]


def test_a_bundle_whose_runtime_is_missing_says_what_to_install_or_to_compile(
    bundle: Path,
) -> None:
    code = (
        "import sys\n"
        "sys.modules['openvino'] = None\n"
        "from rerank_plugins import CrossEncoderScorer\n"
        "CrossEncoderScorer(sys.argv[1]).warm_up()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert "MissingExtraError" in last
    assert "is a bundle for OpenVINO, which is not installed here" in last
    assert install_command("openvino") in last
    assert "compile MODEL --backend onnx" in last


def test_a_bundle_brings_its_backend_and_precision_with_it(bundle: Path) -> None:
    with CrossEncoderScorer(bundle) as scorer:
        assert (scorer.plan().backend, scorer.plan().precision) == ("openvino", "fp32")
    for options in ({"backend": "torch"}, {"precision": "int8"}, {"precision": "fp16"}):
        with (
            CrossEncoderScorer(bundle, **options) as scorer,
            pytest.raises(UnsupportedOptionError, match="rerank compile MODEL --backend"),
        ):
            scorer.warm_up()


@pytest.mark.parametrize("file", ["model.xml", "model.bin", "tokenizer.json"])
def test_a_changed_file_is_refused_by_its_name(copy: Path, file: str) -> None:
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    with CrossEncoderScorer(copy) as scorer, pytest.raises(BundleError, match=file) as caught:
        scorer.warm_up()
    assert "rerank compile MODEL" in str(caught.value)
    assert isinstance(caught.value, (ModelError, ValueError))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "rerank-plugins bundle 99"}, "bundle 99"),
        ({"format": "rerank-plugins bundle 1"}, "bundle 1'.*rerank compile MODEL --output"),
        ({"format": "rerank-plugins bundle 3"}, "bundle 3'.*rerank compile MODEL --output"),
        ({"measured": None}, "not complete"),
        ({"settings": {}}, "not complete"),
        ({"sha256": {"../model.xml": "0"}}, "no file"),
        ({"sha256": None}, "not complete"),
        ({"sha256": {}}, "no checksum of 'model.bin'"),
        ({"graph": "../model.xml"}, "no checksum of '../model.bin'"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    copy: Path, change: dict[str, object], told: str
) -> None:
    edit_json(copy / "manifest.json", **change)
    with CrossEncoderScorer(copy) as scorer, pytest.raises(BundleError, match=told):
        scorer.warm_up()


def test_a_manifest_that_is_no_json_and_a_missing_file_are_refused(copy: Path) -> None:
    (copy / "model.bin").unlink()
    with CrossEncoderScorer(copy) as scorer, pytest.raises(BundleError, match=r"model\.bin"):
        scorer.warm_up()
    for content in ("{", "[" * 9000):
        (copy / "manifest.json").write_text(content)
        with CrossEncoderScorer(copy) as scorer, pytest.raises(BundleError, match="cannot be read"):
            scorer.warm_up()


def test_compiling_replaces_a_bundle_and_nothing_else(
    tiny_model: Path, copy: Path, tmp_path: Path
) -> None:
    (copy / "model.bin").write_bytes(b"damaged")
    compile_model("embedded", copy, backend="onnx")
    with CrossEncoderScorer(copy) as scorer:
        assert scorer.plan().backend == "onnx"
    with pytest.raises(InvalidInputError, match="not a bundle"):
        compile_model("embedded", tiny_model)
    with pytest.raises(InvalidInputError, match="a bundle already"):
        compile_model(copy, tmp_path.parent / "again")


@pytest.mark.parametrize(
    ("manifest", "lost"),
    [
        (b'{"manifest_version": 3, "name": "an extension"}', "background.js"),
        (b'{"format": "rerank-plugins bundle 1", "sha256": {}}', "background.js"),
        (b'{"format": "rerank-plugins bundle 1", "sha256": {"background.js": "0"}}', "icons"),
        (b'{"format": "other 1", "sha256": {"background.js": "0", "icons": "0"}}', "background.js"),
        (b'{"format": "rerank-plugins bundle 1"}', "background.js"),
        (b"[1]", "background.js"),
        (b"\xff", "background.js"),
    ],
)
def test_compiling_deletes_no_folder_that_has_a_manifest_of_another_kind(
    tmp_path: Path, manifest: bytes, lost: str
) -> None:
    (tmp_path / "manifest.json").write_bytes(manifest)
    (tmp_path / "background.js").write_text("mine")
    (tmp_path / "icons").mkdir()
    with pytest.raises(InvalidInputError, match=f"would delete '{lost}'.*not a bundle.*Pass a new"):
        compile_model("embedded", tmp_path, backend="onnx")
    assert (tmp_path / "background.js").read_text() == "mine"


def test_compiling_into_a_home_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"cannot be looked up.*Give an absolute path"):
        compile_model("embedded", "~nobody-of-that-name/bundle")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such pipes")
def test_compiling_replaces_no_pipe_or_device(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InvalidInputError, match=r"would delete 'pipe'.*Pass a new"):
        compile_model("embedded", pipe, backend="onnx")
    assert pipe.is_fifo()


def test_compiling_keeps_what_was_put_beside_a_bundle(copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(InvalidInputError, match=r"would delete 'notes\.txt'"):
        compile_model("embedded", copy, backend="onnx")
    assert (copy / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["rerank_plugins.json", "rerank_calibration.json"])
def test_compiling_again_loses_nothing_that_was_put_into_a_bundle(
    tiny_model: Path, tmp_path: Path, name: str
) -> None:
    model, bundle = shutil.copytree(tiny_model, tmp_path / "model"), tmp_path / "bundle"
    compile_model(model, bundle, backend="onnx")
    (bundle / name).write_text('{"mine": 1}')
    refused = f"would delete its '{name}'.*move that file away"
    with pytest.raises(InvalidInputError, match=refused):
        compile_model(model, bundle, layout="transformers.js")
    with pytest.raises(InvalidInputError, match=refused):  # what was said of another model's scores
        compile_model("embedded", bundle, backend="onnx")
    for _ in range(2):
        compile_model(model, bundle, backend="onnx")
        assert (bundle / name).read_text() == '{"mine": 1}'
    (model / name).write_text('{"of the model": 1}')
    with pytest.raises(InvalidInputError, match=refused):
        compile_model(model, bundle, backend="onnx")


@pytest.mark.parametrize("name", ["rerank_plugins.json", "rerank_calibration.json"])
def test_what_compiling_copied_goes_with_its_model(
    tiny_model: Path, tmp_path: Path, name: str
) -> None:
    bundle = compile_model("embedded", tmp_path / "bundle", backend="onnx")
    assert (bundle / name).read_bytes() == (EMBEDDED_FOLDER / name).read_bytes()
    model = shutil.copytree(tiny_model, tmp_path / "model")
    compile_model(model, bundle, backend="onnx")
    assert not (bundle / name).exists()
    for said in ('{"of the model": 1}', '{"of the model": 2}'):
        (model / name).write_text(said)
        compile_model(model, bundle, backend="onnx")
        assert (bundle / name).read_text() == said


@needs_root
def test_a_parent_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    os.chown(target, USER, USER)
    code = (
        "import sys; from pathlib import Path\n"
        "from rerank_plugins.backends.graphs.output_folder import written_to\n"
        "with written_to(Path(sys.argv[1])): pass"
    )
    done = run_as_unknown_user(code, target, folder=tmp_path)
    assert f"InvalidInputError: {tmp_path} cannot be written: Permission denied" in done.stderr


def test_compiling_replaces_a_bundle_of_another_version_as_its_error_advises(copy: Path) -> None:
    edit_json(copy / "manifest.json", format="rerank-plugins bundle 99")
    compile_model("embedded", copy, backend="onnx")
    with CrossEncoderScorer(copy) as scorer:
        scorer.warm_up()


def test_a_file_is_no_place_for_a_bundle(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    with pytest.raises(InvalidInputError, match="not a bundle"):
        compile_model("embedded", file, backend="onnx")
    assert file.read_text() == "mine"


def test_compiling_checks_its_options(tmp_path: Path) -> None:
    for options in ({"backend": "torch"}, {"precision": "bf16"}, {"calibration": [("a", "b")]}):
        with pytest.raises(InvalidInputError, match="|".join(options)):
            compile_model("embedded", tmp_path / "new", **options)
    with pytest.raises(InvalidInputError, match="no pairs"):
        compile_model("embedded", tmp_path / "new", precision="int8", calibration=[])
    for options in ({"revision": 3}, {"token": 7}, {"cache_folder": 5}, {"local_files_only": "no"}):
        with pytest.raises(InvalidInputError, match="|".join(options)):
            compile_model("embedded", tmp_path / "new", **options)
    for output in (None, 3):
        with pytest.raises(InvalidInputError, match="output must be a folder's path, but got"):
            compile_model("embedded", output)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=r"file cannot be made: .*another output"):
        compile_model("embedded", tmp_path / "file" / "bundle", backend="onnx")


def test_a_full_disk_leaves_the_bundle_that_was_there(
    copy: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in copy.iterdir()}
    monkeypatch.setattr(openvino, "save_model", broken_stream)
    with pytest.raises(InvalidInputError, match=r"cannot be written: OpenVINO .*another output"):
        compile_model(tiny_model, copy)
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == before
    assert [path.name for path in copy.parent.glob("*.partial")] == []


@pytest.mark.parametrize("place", ["rename", "rmtree"])
def test_an_interrupted_exchange_leaves_the_old_bundle_or_the_new(
    copy: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupted(path: Path, *given: object, **options: object) -> object:
        if path.suffix == {"rename": ".partial", "rmtree": ".old"}[place]:
            raise KeyboardInterrupt
        return original(path, *given, **options)

    owner = {"rename": Path, "rmtree": shutil}[place]
    original = getattr(owner, place)
    monkeypatch.setattr(owner, place, interrupted)
    edit_json(copy / "manifest.json", model="the old one")
    with pytest.raises(KeyboardInterrupt):
        compile_model("embedded", copy, backend="onnx")
    manifest = json.loads((copy / "manifest.json").read_text())
    assert manifest["model"] == {"rename": "the old one", "rmtree": "embedded"}[place]
    with CrossEncoderScorer(copy) as scorer:
        assert scorer.score("red fox", ["the fox"]).shape == (1,)


def test_torch_is_said_to_be_no_way_to_a_bundle(tmp_path: Path) -> None:
    save_tiny_cross_encoder(tmp_path / "model")
    for change in ({"rotary": True}, {"rotary": None, "hidden_act": "mish"}):
        edit_json(tmp_path / "model" / "config.json", **change)
        with pytest.raises(UnsupportedOptionError, match="torch runs a model without one"):
            compile_model(tmp_path / "model", tmp_path / "bundle", backend="onnx")


def test_processes_that_start_at_once_quantise_one_graph(
    tiny_model: Path, wanted: np.ndarray, tmp_path: Path
) -> None:
    code = (
        "import json, sys\n"
        "from rerank_plugins import CrossEncoderScorer\n"
        "scorer = CrossEncoderScorer(sys.argv[1], precision='int8')\n"
        f"print(json.dumps(scorer.score_pairs({PAIRS}).tolist()))\n"
    )
    with ThreadPoolExecutor(2) as pool:
        processes = [
            pool.submit(run_forked, code, tiny_model, XDG_CACHE_HOME=str(tmp_path))
            for _ in range(2)
        ]
    for process in processes:
        done = process.result()
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(json.loads(done.stdout), wanted, atol=INT8)
    compiled = tmp_path / "rerank-plugins" / "compiled"
    names = [path for path in compiled.iterdir() if path.is_dir()]
    assert len(names) == 1
    # and the next one finds it: it needs no nncf
    code = WITHOUT_TORCH.replace("sys.argv[1])", "sys.argv[1], precision='int8')")
    output = output_of(start(code, tiny_model, cache=tmp_path))
    np.testing.assert_allclose(json.loads(output), wanted, atol=INT8)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of graphs in an empty cache for this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "rerank-plugins" / "compiled"
    folder.mkdir(parents=True)
    return folder


def bundles(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.is_dir()]


def test_a_damaged_cache_entry_and_what_a_killed_process_left_are_replaced(
    tiny_model: Path, wanted: np.ndarray, cache: Path
) -> None:
    with CrossEncoderScorer(tiny_model, precision="int8") as scorer:
        scorer.warm_up()
    (entry,) = bundles(cache)
    (entry / "model.bin").write_bytes(b"damaged")
    left = entry.with_name(f"{entry.name}.killed.partial")
    left.mkdir()
    with CrossEncoderScorer(tiny_model, precision="int8") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=INT8)
    assert bundles(cache) == [entry]


def test_only_int8_is_kept_and_changed_weights_are_quantised_anew(
    tiny_model: Path, cache: Path, tmp_path: Path, processor_with_bf16: None
) -> None:
    changed = save_tiny_cross_encoder(tmp_path / "changed", spread=2.0)
    made = []
    for model, options in (
        (tiny_model, {"backend": "onnx"}),
        (tiny_model, {"backend": "openvino"}),
        (tiny_model, {"backend": "openvino", "precision": "bf16"}),
        (tiny_model, {"precision": "int8"}),
        (tiny_model, {"precision": "int8"}),
        (changed, {"precision": "int8"}),
    ):
        with CrossEncoderScorer(model, **options) as scorer:
            assert scorer.plan().precision == options.get("precision", "fp32")
        made.append(len(bundles(cache)))
    assert made == [0, 0, 0, 1, 1, 2]


def test_one_bundle_runs_in_fp32_and_in_bf16_as_the_scorer_asks(
    bundle: Path, wanted: np.ndarray, processor_with_bf16: None
) -> None:
    for precision in (None, "fp32", "auto"):  # what bf16 costs this model was never measured
        with CrossEncoderScorer(bundle, precision=precision) as scorer:
            assert scorer.plan().precision == "fp32"
            np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)
    with CrossEncoderScorer(bundle, precision="bf16") as scorer:
        assert scorer.plan().precision == "bf16"
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=0.2)


def test_auto_runs_a_bundle_in_bf16_where_its_cost_was_measured(
    copy: Path, processor_with_bf16: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit_json(copy / "manifest.json", measured=["bf16"])
    for precision, chosen in (("auto", "bf16"), (None, "fp32")):
        with CrossEncoderScorer(copy, precision=precision) as scorer:
            assert scorer.plan().precision == chosen
    monkeypatch.setattr(choice, "cpu_has_bf16", lambda: False)
    with CrossEncoderScorer(copy, precision="auto") as scorer:
        assert scorer.plan().precision == "fp32"
    with (
        CrossEncoderScorer(copy, precision="bf16") as scorer,
        pytest.raises(UnsupportedOptionError, match=r"this one has none\. Pass precision='fp32'"),
    ):
        scorer.warm_up()


@pytest.mark.parametrize(
    ("model", "backend", "measured"),
    [("embedded", "openvino", ["bf16"]), ("embedded", "onnx", [])],
)
def test_a_manifest_says_which_lower_precision_was_measured(
    model: str, backend: str, measured: list[str], tmp_path: Path
) -> None:
    compile_model(model, tmp_path / "bundle", backend=backend)
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    assert (manifest["precision"], manifest["measured"]) == ("fp32", measured)


def test_an_onnx_bundle_is_for_fp32_alone(tmp_path: Path) -> None:
    compile_model("embedded", tmp_path / "bundle", backend="onnx")
    with (
        CrossEncoderScorer(tmp_path / "bundle", precision="bf16") as scorer,
        pytest.raises(UnsupportedOptionError, match=r"in precision='fp32'; got .*'bf16'"),
    ):
        scorer.warm_up()


def test_without_a_writable_cache_the_graph_lives_as_long_as_the_process(
    tiny_model: Path, wanted: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    code = (
        "import json, sys\n"
        "from rerank_plugins import CrossEncoderScorer\n"
        "scorer = CrossEncoderScorer(sys.argv[1], precision='int8')\n"
        "print(json.dumps(scorer.score_pairs(map(tuple, json.load(sys.stdin))).tolist()))\n"
        "import os, tempfile\n"
        "from pathlib import Path\n"
        "(folder,) = Path(tempfile.gettempdir()).glob('rerank-plugins-*')\n"
        "child = os.fork()\n"
        "if not child: sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "assert folder.is_dir()  # a forked process's end is not this one's\n"
        "print(folder)\n"
    )
    output = output_of(start(code, tiny_model, cache=tmp_path / "file"))
    scores, folder = output.splitlines()
    np.testing.assert_allclose(json.loads(scores), wanted, atol=INT8)
    assert not Path(folder).exists()


def test_without_a_cache_or_a_temporary_folder_the_error_says_what_to_do(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    graph_cache._own_folder.cache_clear()
    with (
        CrossEncoderScorer(tiny_model, precision="int8") as scorer,
        pytest.raises(ModelError, match=r"cannot be kept.*XDG_CACHE_HOME.*precision='fp32'"),
    ):
        scorer.warm_up()


def broken_runtime(*_: object, **__: object) -> None:
    message = "Check 'has_conversion' failed\nand a page of what it tried"
    raise RuntimeError(message)


def broken_stream(*_: object, **__: object) -> None:
    message = "basic_ios::clear: iostream error"  # OpenVINO's words for a full disk
    raise RuntimeError(message)


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_model_that_the_runtime_cannot_load_runs_in_torch_unless_that_was_ruled_out(
    tiny_model: Path, wanted: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rerank_plugins.backends.openvino.openvino_model", broken_runtime)
    told = r"Check 'has_conversion' failed and a page"
    with CrossEncoderScorer(tiny_model, device="cpu", max_queue_pairs=9) as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)
        assert scorer.plan().backend == "torch"
        assert re.search(
            f"torch because openvino failed: RuntimeError: {told}", scorer.plan().reason
        )
    with (
        CrossEncoderScorer(tiny_model, backend="openvino", max_queue_pairs=9) as scorer,
        pytest.raises(ModelError, match=f"cannot be run by .*{told}.*Use backend='torch'"),
    ):
        scorer.warm_up()


@pytest.mark.parametrize(
    ("place", "broken", "told"),
    [
        ((openvino, "save_model"), broken_stream, "cannot be kept in .*not write its graph"),
        ((graph_cache, "compile_into"), full_disk, "cannot be kept in .*: No space left on device"),
    ],
    ids=["disk in OpenVINO", "disk"],
)
def test_what_cannot_be_kept_is_said_and_leaves_nothing(
    tiny_model: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[object, str],
    broken: Callable[..., None],
    told: str,
) -> None:
    monkeypatch.setattr(*place, broken)
    with (
        CrossEncoderScorer(tiny_model, precision="int8") as scorer,
        pytest.raises(ModelError, match=f"{told}.*precision='fp32'"),
    ):
        scorer.warm_up()
    assert not bundles(cache)


def test_a_warm_cache_that_cannot_be_written_is_read(
    tiny_model: Path, wanted: np.ndarray, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CrossEncoderScorer(tiny_model, precision="int8") as scorer:
        scorer.warm_up()
    (entry,) = bundles(cache)
    assert entry.stat().st_mode & 0o555 == 0o555  # other users may read it
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)  # root may write anywhere
    monkeypatch.setattr(tempfile, "tempdir", str(cache / "none"))  # so nothing can be compiled
    with CrossEncoderScorer(tiny_model, precision="int8") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=INT8)


def test_graphs_that_nobody_loads_for_two_months_are_removed_when_one_is_added(
    tiny_model: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, days in (("old", 61), ("recent", 59)):
        folder = cache / name
        folder.mkdir()
        (folder / "manifest.json").touch()
        then = time.time() - days * 24 * 3600
        os.utime(folder, (then, then))
    with CrossEncoderScorer(tiny_model, precision="int8") as scorer:
        scorer.warm_up()
    assert len(bundles(cache)) == 2
    assert not (cache / "old").exists()


def test_int8_is_compiled_on_the_pairs_that_are_given(tmp_path: Path) -> None:
    pairs = [
        (question.query, passage.text)
        for question, passage in zip(load_questions()[:8], load_corpus(), strict=False)
    ]
    compile_model("embedded", tmp_path / "int8", precision="int8", calibration=pairs)
    manifest = json.loads((tmp_path / "int8" / "manifest.json").read_text())
    assert manifest["precision"] == "int8"
    assert manifest["calibration"]["pairs"] == len(pairs)
    assert manifest["measured"] == []
    weights = (tmp_path / "int8" / "model.bin").stat().st_size
    graph = openvino.Core().compile_model(str(tmp_path / "int8" / "model.xml"), "CPU")
    operations = [node.get_rt_info() for node in graph.get_runtime_model().get_ops()]
    linear = [each for each in operations if each["layerType"].astype(str) == "FullyConnected"]
    # Four in each of the three layers that compute all tokens; the last layer and the head are not.
    assert sum(each["primitiveType"].astype(str).endswith("I8") for each in linear) == 12
    assert len(linear) == 20
    with CrossEncoderScorer("embedded") as exact, CrossEncoderScorer(tmp_path / "int8") as scorer:
        assert scorer.plan().precision == "int8"
        assert np.corrcoef(exact.score_pairs(pairs), scorer.score_pairs(pairs))[0, 1] > 0.9
    assert weights < 40e6


def test_int8_is_calibrated_on_queries_with_the_prompt_of_the_model(
    tiny_model: Path, tmp_path: Path
) -> None:
    prompt, pairs = "the sea is water: ", PAIRS * 4
    model = CrossEncoder(
        str(tiny_model), prompts={"query": prompt}, default_prompt_name="query", device="cpu"
    )
    prompted = tmp_path / "prompted"
    model.save_pretrained(str(prompted))

    def graph(model: Path, name: str, pairs: list[tuple[str, str]]) -> bytes:
        bundle = compile_model(model, tmp_path / name, precision="int8", calibration=pairs)
        return (bundle / "model.bin").read_bytes()

    typed = [(prompt + query, passage) for query, passage in pairs]
    with_prompt = graph(prompted, "prompt", pairs)
    assert with_prompt == graph(tiny_model, "typed", typed)
    assert with_prompt != graph(tiny_model, "without", pairs)


@pytest.mark.parametrize(
    "design", ["distilbert", "mpnet", "modernbert", "deberta-v2", "deberta-v3", "ettin, mean"]
)
def test_every_design_becomes_int8(design: str, tmp_path: Path) -> None:
    save(DESIGNS[design], tmp_path / "model")
    compile_model(
        tmp_path / "model", tmp_path / "int8", precision="int8", calibration=WIDE_PAIRS[:8]
    )
    with (
        CrossEncoderScorer(tmp_path / "model", backend="onnx") as exact,
        CrossEncoderScorer(tmp_path / "int8") as scorer,
    ):
        wanted, found = exact.score_pairs(WIDE_PAIRS), scorer.score_pairs(WIDE_PAIRS)
    assert np.corrcoef(wanted, found)[0, 1] > 0.9
