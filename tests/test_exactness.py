"""Every backend gives the logits of `CrossEncoder.predict`, for every architecture it takes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from rerank_plugins import CrossEncoderScorer, UnsupportedOptionError
from rerank_plugins.backends.cross_encoder import describe
from rerank_plugins.backends.first_token import reads_first_token
from rerank_plugins.backends.torch import TorchForward
from rerank_plugins.tokens.padding import pad
from rerank_plugins.tokens.pairs import PairTokenizer
from tests.architectures import SAVED
from tests.tiny_models import (
    ARCHITECTURES,
    WORDS,
    edit_json,
    fixed_seed,
    save_as_the_library_does,
    save_tiny_architecture,
    save_tiny_cross_encoder,
)

PAIRS = [
    ("what is a red fox", "the red fox is a small dog"),
    ("sea", "a river is not the sea"),
    ("", ""),
    ("why is the sea blue", "the sea is water " * 40),
    ("how does the moon move " * 20, "rain"),
    ("star", "sun moon star"),
    ("moon", " ".join([*WORDS, *reversed(WORDS)])),
]


def predicted(folder: Path, max_length: int | None = None) -> np.ndarray:
    model = CrossEncoder(str(folder), device="cpu", max_length=max_length)
    return model.predict(PAIRS, activation_fn=torch.nn.Identity(), batch_size=1)


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=str)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_architecture(tmp_path_factory.mktemp("model"), request.param)


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_a_backend_scores_as_predict_does(model: Path, backend: str) -> None:
    wanted, cut = predicted(model), predicted(model, 16)
    assert np.ptp(wanted) > 0.1
    with CrossEncoderScorer(model, backend=backend, device="cpu") as scorer:
        assert scorer.plan().backend == backend
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)
    for budget in (1, 4096):  # one pair a batch, and all in one
        with CrossEncoderScorer(
            model, backend=backend, device="cpu", max_length=16, max_batch_tokens=budget
        ) as scorer:
            np.testing.assert_allclose(scorer.score_pairs(PAIRS), cut, atol=1e-5)


@pytest.mark.parametrize("backend", ["onnx", "openvino", "jax"])
def test_a_graph_keeps_several_columns_and_their_names(
    three_column_model: Path, backend: str
) -> None:
    with CrossEncoderScorer(three_column_model, backend="torch", label="exact") as scorer:
        wanted = scorer.score_pairs(PAIRS)
    with CrossEncoderScorer(three_column_model, backend=backend, label="exact") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)


def test_what_graphs_do_not_know_runs_in_torch_and_the_plan_says_why(tmp_path: Path) -> None:
    save_tiny_cross_encoder(tmp_path)
    edit_json(tmp_path / "config.json", hidden_act="mish")
    told = "its config.json has hidden_act='mish', which graphs do not know"
    with CrossEncoderScorer(tmp_path, device="cpu") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), predicted(tmp_path), atol=1e-5)
        assert (scorer.plan().backend, scorer.plan().reason) == ("torch", f"torch because {told}")
    for options in ({"backend": "onnx"}, {"backend": "openvino"}, {"precision": "int8"}):
        with (
            CrossEncoderScorer(tmp_path, **options) as scorer,
            pytest.raises(UnsupportedOptionError, match=f"{told}.*Use backend='torch'"),
        ):
            scorer.warm_up()


WITHOUT_TORCH = """
import json, sys
from rerank_plugins import CrossEncoderScorer
with CrossEncoderScorer(sys.argv[1], backend=sys.argv[2]) as scorer:
    print(json.dumps(scorer.score_pairs(map(tuple, json.load(sys.stdin))).tolist()))
    assert scorer.plan().backend != "torch", scorer.plan()
loaded = {"torch", "transformers", "sentence_transformers", "safetensors"} & set(sys.modules)
assert not loaded, loaded
"""


@pytest.mark.parametrize("backend", ["auto", "onnx", "openvino"])
def test_a_graph_is_run_without_torch_in_the_process(model: Path, backend: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(model), backend],
        input=json.dumps(PAIRS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), predicted(model), atol=1e-5)


@pytest.mark.parametrize("name", ["electra", "mpnet", "deberta-v3", "ettin", "modular bert, mean"])
def test_every_kind_of_architecture_and_head_becomes_a_graph(tmp_path: Path, name: str) -> None:
    SAVED[name](tmp_path)
    options = {"label": 1} if name.endswith("mean") else {}
    with CrossEncoderScorer(tmp_path, backend="torch", device="cpu", **options) as scorer:
        wanted = scorer.score_pairs(PAIRS)
    for backend in ("onnx", "openvino"):
        with CrossEncoderScorer(tmp_path, backend=backend, **options) as scorer:
            np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-4)


CUT_IN_A_WAY_OF_ITS_OWN = {
    "left": ("tokenizer_config.json", {"truncation_side": "left"}),
    "shorter": (
        "sentence_bert_config.json",
        {"processing_kwargs": {"text": {"max_length": 12}}},
    ),
}


@pytest.mark.parametrize("file_and_change", CUT_IN_A_WAY_OF_ITS_OWN.values(), ids=str)
def test_a_model_that_cuts_texts_in_a_way_of_its_own_scores_as_predict_does(
    tmp_path: Path, file_and_change: tuple[str, dict[str, object]]
) -> None:
    save_tiny_cross_encoder(tmp_path / "plain")
    whole = predicted(tmp_path / "plain")
    plain = CrossEncoder(str(tmp_path / "plain"), device="cpu")
    save_as_the_library_does(plain, tmp_path / "own")
    name, change = file_and_change
    edit_json(tmp_path / "own" / name, **change)
    wanted = predicted(tmp_path / "own")
    assert np.abs(wanted - whole).max() > 0.01
    with CrossEncoderScorer(tmp_path / "own", device="cpu") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)
        assert scorer.plan().backend == "torch"
    with (
        CrossEncoderScorer(tmp_path / "own", backend="openvino") as scorer,
        pytest.raises(UnsupportedOptionError, match=r"does not become a graph.*backend='torch'"),
    ):
        scorer.warm_up()


def test_a_model_whose_pooling_leaves_the_prompt_out_scores_as_predict_does(tmp_path: Path) -> None:
    SAVED["ettin, mean"](tmp_path)
    prompts = {"prompts": {"query": "find the red fox: "}, "default_prompt_name": "query"}
    edit_json(tmp_path / "config_sentence_transformers.json", **prompts)
    pooled = predicted(tmp_path)
    with CrossEncoderScorer(tmp_path) as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), pooled, atol=1e-5)
        assert scorer.plan().backend != "torch"
    edit_json(tmp_path / "1_Pooling" / "config.json", include_prompt=False)
    wanted = predicted(tmp_path)
    assert np.abs(wanted - pooled).max() > 0.01
    with CrossEncoderScorer(tmp_path, device="cpu") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)
        assert scorer.plan().reason == (
            "torch because its config.json has include_prompt=False, which graphs do not know"
        )


@pytest.mark.parametrize(
    "name",
    [
        *("bert", "roberta", "camembert", "distilbert", "electra", "mpnet", "modernbert"),
        *("deberta-v2", "deberta-v3", "ettin", "ettin, mean"),
    ],
)
def test_prompts_are_read_as_predict_reads_them(tmp_path: Path, name: str) -> None:
    SAVED[name](tmp_path / "plain")
    model = CrossEncoder(
        str(tmp_path / "plain"),
        device="cpu",
        prompts={"query": "find the red fox: "},
        default_prompt_name="query",
    )
    save_as_the_library_does(model, tmp_path / "saved")
    raw = {"activation_fn": torch.nn.Identity(), "batch_size": 1}
    wanted = model.predict(PAIRS, **raw)
    given = model.predict(PAIRS, prompt="why is the sea: ", **raw)
    assert np.abs(wanted - predicted(tmp_path / "plain")).max() > 0.01
    assert np.abs(wanted - given).max() > 0.01
    for backend in ("onnx", "openvino", "jax"):
        options = {"backend": backend, "precision": "fp32"}
        with CrossEncoderScorer(tmp_path / "saved", **options) as scorer:
            np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)
        with CrossEncoderScorer(tmp_path / "saved", **options, prompt="why is the sea: ") as scorer:
            np.testing.assert_allclose(scorer.score_pairs(PAIRS), given, atol=1e-5)


class LowRank(torch.nn.Linear):
    """A linear layer with an adapter: `weight` alone is not what it multiplies by."""

    def __init__(self, base: torch.nn.Linear) -> None:
        super().__init__(base.in_features, base.out_features)
        self.load_state_dict(base.state_dict())
        self.down, self.up = (torch.nn.Parameter(torch.randn(*s)) for s in ((32, 2), (2, 32)))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return super().forward(states) + states @ self.down @ self.up


@pytest.mark.parametrize("name", ["key", "value"])
def test_an_adapter_in_the_last_layer_is_not_left_out(model: Path, name: str) -> None:
    adapted = CrossEncoder(str(model), device="cpu")
    inner = adapted[0].model
    assert reads_first_token(inner)
    attention = getattr(inner, inner.base_model_prefix).encoder.layer[-1].attention.self
    with fixed_seed():
        setattr(attention, name, LowRank(getattr(attention, name)).eval())
    wanted = adapted.predict(PAIRS, activation_fn=torch.nn.Identity(), batch_size=1)
    assert np.abs(wanted - predicted(model)).max() > 1e-3
    description = describe(adapted)
    tokens = PairTokenizer(description.tokenizer, max_length=description.default_length).encode(
        PAIRS
    )
    found = TorchForward(adapted, description.inputs)(pad(tokens, description.pad_id))
    np.testing.assert_allclose(found[:, 0], wanted, atol=1e-5)
