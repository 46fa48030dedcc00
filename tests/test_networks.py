"""Networks described without torch: the same logits as `CrossEncoder.predict`, in every runtime."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.special import erf
from sentence_transformers import CrossEncoder
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    CamembertConfig,
    DistilBertConfig,
    ElectraConfig,
    MPNetConfig,
    PreTrainedConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from rerank_plugins import ModelError
from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.cross_encoder import describe
from rerank_plugins.backends.graphs.array_operations import ArrayOperations
from rerank_plugins.backends.graphs.networks import read_network
from rerank_plugins.backends.graphs.onnx_operations import onnx_graph
from rerank_plugins.backends.graphs.runtimes import onnx_session, openvino_model
from rerank_plugins.tokens.pairs import PairTokenizer, Tokens, pad
from tests.tiny_models import (
    WORDS,
    edit_json,
    fixed_seed,
    randomize,
    tiny_roberta_tokenizer,
    tiny_tokenizer,
)

PAIRS = [
    ("what is a red fox", "the red fox is a small dog"),
    ("sea", "a river is not the sea"),
    ("", ""),
    ("why is the sea blue", "the sea is water " * 40),
    ("how does the moon move " * 20, "rain"),
    ("moon", " ".join([*WORDS, *reversed(WORDS)])),
]

SHAPE = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
ROBERTA = {"max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1}

CONFIGS: dict[str, PreTrainedConfig] = {
    "bert": BertConfig(**SHAPE),
    "bert with another activation": BertConfig(**SHAPE, hidden_act="gelu_new"),
    "bert of one layer": BertConfig(**{**SHAPE, "num_hidden_layers": 1}, hidden_act="silu"),
    "roberta": RobertaConfig(**SHAPE, **ROBERTA),
    "xlm-roberta": XLMRobertaConfig(**SHAPE, **ROBERTA, hidden_act="relu"),
    "camembert": CamembertConfig(**SHAPE, **ROBERTA),
    "electra": ElectraConfig(**SHAPE, embedding_size=16),
    "electra with equal widths": ElectraConfig(**SHAPE, embedding_size=32),
    "distilbert": DistilBertConfig(dim=32, n_layers=3, n_heads=4, hidden_dim=64),
    "distilbert with sines": DistilBertConfig(
        dim=32, n_layers=2, n_heads=4, hidden_dim=64, sinusoidal_pos_embds=True
    ),
    "mpnet": MPNetConfig(**SHAPE, max_position_embeddings=66),
    "mpnet of many positions": MPNetConfig(**SHAPE, max_position_embeddings=514),
}


def save(folder: Path, config: PreTrainedConfig, *, columns: int = 1, dtype: Any = None) -> Path:
    """A cross-encoder of this shape with wide weights, and a tokenizer of its kind."""
    roberta_like = config.pad_token_id == 1
    limit = config.max_position_embeddings
    if limit == 512:
        limit = config.max_position_embeddings = 64
    config.vocab_size, config.num_labels = 5 + len(WORDS), columns
    if not isinstance(config, DistilBertConfig):
        config.intermediate_size = 64
    with fixed_seed():
        model = AutoModelForSequenceClassification.from_config(config)
        randomize(model, std=0.5)
    model.to(dtype or torch.float32).save_pretrained(folder)
    length = limit - 2 if roberta_like else limit
    tokenizer = tiny_roberta_tokenizer(length) if roberta_like else tiny_tokenizer(length)
    if isinstance(config, DistilBertConfig):
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(folder)
    return folder


class InOnnx:
    """A network in ONNX Runtime."""

    def __init__(self, folder: Path, inputs: tuple[str, ...]) -> None:
        self._network = read_network(
            folder, "model"
        )  # its weights must live as long as the session
        self._graph = onnx_graph(self._network, inputs)
        options, weights = onnxruntime.SessionOptions(), self._network.weights
        self._session = onnx_session(self._graph, weights, onnxruntime, options)

    def __call__(self, tokens: Tokens) -> np.ndarray:
        return self._session.run(None, {n: getattr(tokens, n) for n in self._graph.inputs})[0]


class InOpenVino:
    """A network in OpenVINO."""

    def __init__(self, folder: Path, inputs: tuple[str, ...]) -> None:
        self._network = read_network(folder, "model")
        self._graph = onnx_graph(self._network, inputs)
        model = openvino_model(self._graph, self._network.weights, openvino)
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        self._model = openvino.Core().compile_model(model, "CPU", settings)

    def __call__(self, tokens: Tokens) -> np.ndarray:
        return np.array(self._model({n: getattr(tokens, n) for n in self._graph.inputs})[0])


class InFloat64:
    """A network in numpy, in float64: the sum that the others round."""

    def __init__(self, folder: Path, inputs: tuple[str, ...]) -> None:
        self._network = read_network(folder, "model")
        weights = self._network.weights
        arrays = {name: weights.array(name) for name in weights}
        settings = {"real": np.float64, "product": np.matmul, "erf": erf}
        self._operations = ArrayOperations(np, arrays, **settings)
        self._inputs = inputs

    def __call__(self, tokens: Tokens) -> np.ndarray:
        inputs = {name: getattr(tokens, name) for name in self._inputs}
        return self._network.logits(self._operations, inputs)


RUNTIMES = {"onnx": InOnnx, "openvino": InOpenVino, "float64": InFloat64}


def check(folder: Path, runtime: str) -> None:
    """Compares a runtime with `predict`, all pairs in one batch and one by one.

    With such wide weights rounding alone makes more than 1e-5, in `predict` as well: the sum in
    float64 tells how much.
    """
    model = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": "float32"})
    predicted = model.predict(PAIRS, activation_fn=torch.nn.Identity(), batch_size=1)
    model.double()
    wanted = model.predict(PAIRS, activation_fn=torch.nn.Identity(), batch_size=1)
    assert wanted.std() > 0.3
    allowed = max(1e-5, 3 * np.abs(predicted - wanted).max())
    description = describe(model)
    tokenizer = PairTokenizer(description.tokenizer, max_length=description.default_length)
    encoded = tokenizer.encode(PAIRS)
    forward = RUNTIMES[runtime](folder, description.inputs)
    together = forward(pad(encoded, description.pad_id))
    alone = np.concatenate([forward(pad([pair], description.pad_id)) for pair in encoded])
    for found in (together, alone):
        np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=0, atol=allowed)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_network_scores_as_predict_does(tmp_path: Path, name: str, runtime: str) -> None:
    check(save(tmp_path, CONFIGS[name]), runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert"])
def test_a_head_may_have_several_columns(tmp_path: Path, name: str, runtime: str) -> None:
    check(save(tmp_path, CONFIGS[name], columns=3), runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_in_half_precision_are_widened(tmp_path: Path, dtype: Any, runtime: str) -> None:
    check(save(tmp_path, CONFIGS["roberta"], dtype=dtype), runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_weights_may_lie_in_several_files_behind_links(tmp_path: Path, runtime: str) -> None:
    folder = save(tmp_path / "model", CONFIGS["bert"])
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20kB")
    files = sorted(folder.glob("*.safetensors"))
    assert len(files) > 2
    for number, file in enumerate(files):  # as the hub's cache keeps them
        file.rename(tmp_path / str(number))
        file.symlink_to(tmp_path / str(number))
    check(folder, runtime)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hidden_act": "mish"}, "has hidden_act='mish', which graphs do not know"),
        ({"position_embedding_type": "relative_key"}, "has position_embedding_type="),
        ({"quantization_config": {"bits": 4}}, "has quantization_config="),
        ({"auto_map": {"AutoModel": "own.Model"}}, "has auto_map="),
        ({"is_decoder": True}, "has is_decoder=True"),
        ({"pruned_heads": {"0": [1]}}, "has pruned_heads="),
        ({"scale_of_everything": 2.0}, "has scale_of_everything=2.0"),
        ({"num_hidden_layers": None}, "has no 'num_hidden_layers'"),
        ({"model_type": "t5", "architectures": ["T5Model"]}, "its architecture is T5Model"),
        ({"model_type": None, "architectures": None}, "its architecture is None"),
        ({"num_hidden_layers": 2}, "its weights have bert.encoder.layer.2.*do not know"),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, dict) else "",
)
def test_what_is_not_described_is_refused(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    save(tmp_path, CONFIGS["bert"])
    edit_json(tmp_path / "config.json", **change)
    with pytest.raises(NoGraphError, match=reason):
        read_network(tmp_path, "model")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_hidden_layers": 4}, "its files have no bert.encoder.layer.3.*save_pretrained"),
        ({"intermediate_size": 65}, r"dense.bias has the shape \[64\] and must have \[65\]"),
    ],
    ids=["missing", "another shape"],
)
def test_weights_that_do_not_fit_are_damage_and_not_unknown(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    save(tmp_path, CONFIGS["bert"])
    edit_json(tmp_path / "config.json", **change)
    with pytest.raises(ModelError, match=reason) as caught:
        read_network(tmp_path, "model")
    assert not isinstance(caught.value, NoGraphError)


def test_features_that_a_config_leaves_out_in_words_are_not_refused(tmp_path: Path) -> None:
    save(tmp_path, CONFIGS["bert"])
    edit_json(tmp_path / "config.json", is_decoder=False, pruned_heads={}, adapters=None)
    read_network(tmp_path, "model")


def test_weights_that_are_quantised_adapted_or_damaged_are_refused(tmp_path: Path) -> None:
    file = save(tmp_path, CONFIGS["bert"]) / "model.safetensors"
    weights, name = load_file(file), "bert.encoder.layer.1.attention.self.key.weight"
    for change, reason in (
        ({name: weights[name].to(torch.int8)}, f"its {name} is stored as I8"),
        ({f"{name}.lora_A": weights[name].clone()}, f"its weights have {name}.lora_A"),
    ):
        save_file({**weights, **change}, file, metadata={"format": "pt"})
        with pytest.raises(NoGraphError, match=reason):
            read_network(tmp_path, "model")
    file.write_bytes(json.dumps({"not": "weights"}).encode())
    with pytest.raises(NoGraphError, match="its weights cannot be read"):
        read_network(tmp_path, "model")
