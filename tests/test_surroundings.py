"""Machines that lack something: a home, a folder for temporary files, space, a sound backend."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import CrossEncoder
from torch import nn

from rerank_plugins import CrossEncoderScorer, UnsupportedOptionError, compile_model
from tests.forked import run_forked
from tests.small_hub import small_hub
from tests.tiny_models import save_tiny_cross_encoder, tiny_tokenizer
from tests.unknown_user import needs_root, run_as_unknown_user

PAIRS = [("what is a red fox", "the red fox is a small dog"), ("sea", "the sea is water " * 9)]
OUTCOMES = """
import json, sys
from rerank_plugins import CrossEncoderScorer, RerankError

def outcome(model, **options):
    try:
        with CrossEncoderScorer(model, **options) as scorer:
            score = float(scorer.score("red fox", ["the fox"])[0])
            return [scorer.plan().backend, scorer.plan().reason, score]
    except RerankError as error:
        return [type(error).__name__, str(error)]
"""


def score_of(model: Path | str) -> float:
    with CrossEncoderScorer(model, backend="torch", device="cpu") as scorer:
        return float(scorer.score("red fox", ["the fox"])[0])


def outcomes(code: str, *arguments: object, **environment: str) -> dict[str, list[object]]:
    done = subprocess.run(
        [sys.executable, "-c", OUTCOMES + code, *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, list[object]] = json.loads(done.stdout)
    return result


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach: pytest's own are for one user alone."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@needs_root
def test_a_user_without_a_home_scores_and_leaves_nothing_behind(open_folder: Path) -> None:
    model = save_tiny_cross_encoder(open_folder / "model")
    (open_folder / "temporary").mkdir()
    for path in (open_folder, *open_folder.rglob("*")):
        path.chmod(0o777)
    code = (
        "import os, pwd\n"
        "assert os.getuid() not in {each.pw_uid for each in pwd.getpwall()}\n"
        "print(json.dumps({\n"
        "    'embedded': outcome('embedded'),\n"
        "    'openvino': outcome('embedded', backend='openvino'),\n"
        "    'auto': outcome(sys.argv[1]),\n"
        "    'onnx': outcome(sys.argv[1], backend='onnx'),\n"
        "    'hub': outcome('tiny/ranker'),\n"
        "}))\n"
    )
    done = run_as_unknown_user(
        OUTCOMES + code, model, folder=Path("/"), TMPDIR=str(open_folder / "temporary")
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for case, name, backend in (
        ("embedded", "embedded", "onnx"),
        ("openvino", "embedded", "openvino"),
        ("auto", model, "openvino"),
        ("onnx", model, "onnx"),
    ):
        assert found[case][0] == backend, found[case]
        assert found[case][2] == pytest.approx(score_of(name), abs=1e-5)
    assert found["hub"][0] == "ModelError"
    assert re.search("'tiny/ranker' cannot be kept in .*home.*cache_folder=", found["hub"][1])
    assert not [path.name for path in (open_folder / "temporary").glob("rerank-plugins-*")]


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files there")
def test_without_a_place_for_temporary_files_what_needs_none_runs_and_the_rest_says_so(
    tmp_path: Path,
) -> None:
    model = save_tiny_cross_encoder(tmp_path / "model")
    code = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"  # no file can be written anywhere
        "print(json.dumps({\n"
        "    'embedded': outcome('embedded'),\n"
        "    'torch': outcome('embedded', backend='torch'),\n"
        "    'auto': outcome(sys.argv[1]),\n"
        "    'openvino': outcome(sys.argv[1], backend='openvino'),\n"
        "}))\n"
    )
    found = outcomes(code, model, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert found["embedded"][2] == pytest.approx(score_of("embedded"), abs=1e-5)
    for case in ("auto", "openvino"):
        assert found[case][0] == "openvino"
        assert found[case][2] == pytest.approx(score_of(model), abs=1e-5)
    told = str(found["torch"][1])
    assert re.search("sentence_transformers.* cannot be imported: .*temporary directory", told)


@pytest.mark.parametrize("trouble", ["a file", "full"])
def test_a_hub_model_that_this_disk_does_not_take_is_no_trouble_of_the_hub(
    trouble: str, tiny_model: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    if trouble == "a file":
        cache.touch()
    code = (
        "import resource\n"
        "limit = (int(sys.argv[2]), resource.getrlimit(resource.RLIMIT_FSIZE)[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, limit)\n"
        "print(json.dumps({'got': outcome('tiny/ranker', cache_folder=sys.argv[1])}))\n"
    )
    size = (tiny_model / "model.safetensors").stat().st_size
    with small_hub({"tiny/ranker": tiny_model}, gated="") as (endpoint, _):
        name, told = outcomes(code, cache, size // 2, HF_ENDPOINT=endpoint)["got"]
    assert name == "ModelError"
    assert f"cannot be kept in {cache}" in str(told)
    assert "cache_folder=" in str(told)


def test_an_openvino_that_cannot_be_imported_leaves_auto_to_another_backend(
    tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "openvino.py").write_text("raise RuntimeError('no such processor')")
    code = (
        "print(json.dumps({\n"
        "    'auto': outcome(sys.argv[1]),\n"
        "    'bf16': outcome('embedded', precision='auto'),\n"
        "    'openvino': outcome('embedded', backend='openvino'),\n"
        "}))\n"
    )
    first = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
    done = run_forked(first + OUTCOMES + code, tiny_model)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["auto"][0] == "torch"
    assert "no such processor" in str(found["auto"][1])
    assert found["auto"][2] == pytest.approx(score_of(tiny_model), abs=1e-5)
    assert found["bf16"][0] == "onnx"
    assert found["openvino"][0] == "MissingExtraError"
    assert "no such processor" in str(found["openvino"][1])


@pytest.mark.parametrize("backend", ["auto", "openvino", "onnx", "torch"])
def test_a_tokenizer_that_names_no_attention_mask_is_scored_as_each_pair_alone(
    backend: str, tmp_path: Path
) -> None:
    save_tiny_cross_encoder(tmp_path)
    tokenizer = tiny_tokenizer()
    tokenizer.model_input_names = ["input_ids", "token_type_ids"]
    tokenizer.save_pretrained(tmp_path)
    model = CrossEncoder(str(tmp_path), device="cpu")
    wanted = model.predict(PAIRS, activation_fn=nn.Identity(), batch_size=1)
    with CrossEncoderScorer(tmp_path, backend=backend, device="cpu") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)


def test_a_precision_is_kept_or_refused_and_a_bundle_has_its_own(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    model = save_tiny_cross_encoder(tmp_path / "model")
    compile_model(model, bundle, precision="int8", calibration=PAIRS * 2)
    for own in ({}, {"precision": None}, {"precision": "auto"}, {"precision": "int8"}):
        with CrossEncoderScorer(bundle, **own) as scorer:
            assert scorer.plan().precision == "int8"
    for other in ("fp32", "bf16"):
        with (
            CrossEncoderScorer(bundle, precision=other) as scorer,
            pytest.raises(UnsupportedOptionError, match=f"'int8'; got .*{other}"),
        ):
            scorer.warm_up()
    with CrossEncoderScorer(model) as one, CrossEncoderScorer(model, precision="fp32") as other:
        assert one.plan().precision == "fp32"
        assert one._shared is other._shared
