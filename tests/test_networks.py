"""Networks described without torch: the same logits as `CrossEncoder.predict`, in every runtime."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.special import erf
from sentence_transformers import CrossEncoder

from rerank_plugins import ModelError
from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.cross_encoder import describe
from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.backends.graphs.array_operations import ArrayOperations
from rerank_plugins.backends.graphs.networks import Network, read_network, read_parts
from rerank_plugins.backends.graphs.onnx_operations import onnx_graph
from rerank_plugins.backends.graphs.runtimes import keep_tables, onnx_session, openvino_model
from rerank_plugins.backends.jax import JaxForward
from rerank_plugins.tokens.padding import Tokens, pad
from rerank_plugins.tokens.pairs import PairTokenizer
from tests.architectures import DESIGNS, LIMIT, SAVED
from tests.tiny_models import edit_json
from tests.wide_weights import PAIRS, Pairs, logits_of

WITHOUT_EFFECT = re.compile(r".*(key|k_lin|attn\.k|key_proj)\.bias|0\.model\.pooler\..*")
"""Weights on which no score depends.

A bias of the keys moves all of a token's attention scores alike, which the softmax removes. The
pooler of an encoder without its own head is not run.
"""


@dataclass(frozen=True)
class Case:
    """A model, and what it says of pairs.

    Attributes:
        folder: Its folder.
        pairs: The pairs.
        model: It in sentence-transformers, in fp32.
        description: Its description.
        logits: Its logits, in float64.
        rounding: How far `predict` in fp32 is from them, as a root of the mean square.
    """

    folder: Path
    pairs: Pairs
    model: CrossEncoder
    description: ModelDescription
    logits: np.ndarray
    rounding: float


def case_of(folder: Path, pairs: Pairs = PAIRS) -> Case:
    model = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    predicted = logits_of(model, pairs)
    exact = logits_of(model.double(), pairs)
    return Case(folder, pairs, model.float(), describe(model), exact, size(predicted - exact))


def size(errors: np.ndarray) -> float:
    """The root of the mean square, which one pair in bad luck changes little."""
    return float(np.sqrt(np.mean(np.square(errors))))


@pytest.fixture(scope="module", params=DESIGNS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return case_of(SAVED[request.param](tmp_path_factory.mktemp("model")))


def network_and_inputs(folder: Path, inputs: tuple[str, ...]) -> tuple[Network, tuple[str, ...]]:
    """The network in a folder, and those of the tokenizer's `inputs` that it reads."""
    network = read_network(folder, "model")
    return network, tuple(name for name in inputs if name in network.encoder.inputs)


class InOnnx:
    """A network in ONNX Runtime."""

    def __init__(self, folder: Path, inputs: tuple[str, ...]) -> None:
        self._graph = onnx_graph(*network_and_inputs(folder, inputs))
        self._session = onnx_session(self._graph, onnxruntime, onnxruntime.SessionOptions())

    def __call__(self, tokens: Tokens) -> np.ndarray:
        return self._session.run(None, {n: getattr(tokens, n) for n in self._graph.inputs})[0]


class InOpenVino:
    """A network in OpenVINO."""

    def __init__(self, folder: Path, inputs: tuple[str, ...]) -> None:
        self._graph = onnx_graph(*network_and_inputs(folder, inputs))
        model = openvino_model(self._graph, openvino)
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


class InJax:
    """A network in JAX."""

    def __init__(self, folder: Path, inputs: tuple[str, ...]) -> None:
        self._forward = JaxForward(*network_and_inputs(folder, inputs), limit=None)

    def __call__(self, tokens: Tokens) -> np.ndarray:
        return self._forward(tokens)


RUNTIMES = {"onnx": InOnnx, "openvino": InOpenVino, "float64": InFloat64}


def check(case: Case, runtime: Callable[..., Callable[[Tokens], np.ndarray]]) -> None:
    """Compares a runtime with `predict`, all pairs in one batch and one by one.

    It may round three times as much: OpenVINO's products round twice as much as torch's.
    """
    description = case.description
    forward = runtime(case.folder, description.inputs)
    tokenizer = PairTokenizer(description.tokenizer, max_length=description.default_length)
    encoded = tokenizer.encode(case.pairs)
    together = forward(pad(encoded, description.pad_id))
    alone = np.concatenate([forward(pad([pair], description.pad_id)) for pair in encoded])
    for found in (together, alone):
        errors = found - case.logits
        worst = case.pairs[np.abs(errors).max(axis=1).argmax()]
        # Rounding alone may make more than 1e-5, in `predict` as well.
        assert np.abs(errors).max() < 1e-5 or size(errors) < 3 * case.rounding, worst


def test_the_model_tells_texts_apart_by_every_weight(case: Case) -> None:
    assert 0.8 < case.logits.std(axis=0).mean() < 1.2
    pairs = [list(pair) for pair in PAIRS]
    lengths = [len(row) for row in case.model.tokenizer(pairs, truncation=True).input_ids]
    assert min(lengths) < 8
    assert max(lengths) == LIMIT
    case.model(case.model.preprocess(pairs))["scores"].square().sum().backward()
    still = {
        key
        for key, parameter in case.model.named_parameters()
        if parameter.grad is None or parameter.grad.abs().max() < 1e-4
    }
    assert {key for key in still if not WITHOUT_EFFECT.fullmatch(key)} == set()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_scores_as_predict_does(case: Case, runtime: str) -> None:
    check(case, RUNTIMES[runtime])


# Each encoder and pooling once: a program takes seconds to compile, and float64 has seen all
# operations.
@pytest.mark.parametrize(
    "name",
    [
        "roberta, two columns",
        "mpnet",
        "deberta-v3",
        "ettin, mean",
        "modular distilbert, max",
        "modular electra, cls",
        "modular roberta, lasttoken",
    ],
)
def test_a_network_in_jax_scores_as_predict_does(tmp_path: Path, name: str) -> None:
    check(case_of(SAVED[name](tmp_path)), InJax)


def test_openvino_turns_queries_and_keys_in_one_step_and_splits_no_product(tmp_path: Path) -> None:
    network = read_network(SAVED["ettin"](tmp_path), "model")
    model = openvino_model(onnx_graph(network, network.encoder.inputs), openvino)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    steps = compiled.get_runtime_model().get_ops()
    kinds = [step.get_rt_info()["layerType"].astype(str) for step in steps]
    layers = len(network.encoder.kinds)
    assert kinds.count("RoPE") == 2 * layers - 1  # in the last, the first token's query stays
    assert "Split" not in kinds


def test_openvino_widens_no_table_of_embeddings(tmp_path: Path) -> None:
    folder = SAVED["xlm-roberta in fp16"](tmp_path)
    graph = onnx_graph(*network_and_inputs(folder, ("input_ids", "attention_mask")))
    model = openvino_model(graph, openvino)
    keep_tables(model, openvino)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    kept = {
        node.get_friendly_name(): node.get_rt_info()["outputPrecisions"].astype(str)
        for node in compiled.get_runtime_model().get_ops()
    }
    for table in ("word", "position"):
        assert kept[f"roberta.embeddings.{table}_embeddings.weight"] == "f16"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_weights_may_lie_in_several_files_behind_links(tmp_path: Path, runtime: str) -> None:
    folder = SAVED["bert in several files"](tmp_path / "model")
    files = sorted(folder.glob("*.safetensors"))
    assert len(files) > 2
    for number, file in enumerate(files):  # as the hub's cache keeps them
        file.rename(tmp_path / str(number))
        file.symlink_to(tmp_path / str(number))
    check(case_of(folder), RUNTIMES[runtime])


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
    SAVED["bert"](tmp_path)
    edit_json(tmp_path / "config.json", **change)
    with pytest.raises(NoGraphError, match=reason):
        read_network(tmp_path, "model")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_hidden_layers": 4}, "its files have no bert.encoder.layer.3.*save_pretrained"),
        ({"intermediate_size": 49}, r"dense.bias has the shape \[48\] and must have \[49\]"),
    ],
    ids=["missing", "another shape"],
)
def test_weights_that_do_not_fit_are_damage_and_not_unknown(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    SAVED["bert"](tmp_path)
    edit_json(tmp_path / "config.json", **change)
    with pytest.raises(ModelError, match=reason) as caught:
        read_network(tmp_path, "model")
    assert not isinstance(caught.value, NoGraphError)


def test_features_that_a_config_leaves_out_in_words_are_not_refused(tmp_path: Path) -> None:
    SAVED["bert"](tmp_path)
    edit_json(tmp_path / "config.json", is_decoder=False, pruned_heads={}, adapters=None)
    read_network(tmp_path, "model")


def test_weights_that_are_quantised_or_adapted_are_refused(tmp_path: Path) -> None:
    file = SAVED["bert"](tmp_path) / "model.safetensors"
    weights, name = load_file(file), "bert.encoder.layer.1.attention.self.key.weight"
    for change, reason in (
        ({name: weights[name].to(torch.int8)}, f"its {name} is stored as I8"),
        ({f"{name}.lora_A": weights[name].clone()}, f"its weights have {name}.lora_A"),
    ):
        save_file({**weights, **change}, file, metadata={"format": "pt"})
        with pytest.raises(NoGraphError, match=reason):
            read_network(tmp_path, "model")


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("config.json", {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "yarn"),
        ("config.json", {"rope_parameters": {"rope_theta": 1e4}}, "has rope_parameters="),
        ("config.json", {"rope_scaling": {"factor": 2.0}}, "has rope_scaling="),
        ("config.json", {"layer_types": ["full_attention"]}, "has layer_types="),
        ("config.json", {"causal_mask": True}, "has causal_mask=True"),
        ("sentence_bert_config.json", {"module_output_name": "logits"}, "transformer computes"),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "transformer computes"),
        ("1_Pooling/config.json", {"pooling_mode": "weightedmean"}, "has pooling_mode='weigh"),
        ("1_Pooling/config.json", {"include_prompt": False}, "has include_prompt=False"),
        ("2_Dense/config.json", {"activation_function": "own.Swish"}, "has activation_function="),
        ("2_Dense/config.json", {"module_input_name": "tokens"}, "has module_input_name='tok"),
        ("2_Dense/config.json", {"power": 2}, "has power=2"),
        ("4_Dense/config.json", {"module_output_name": "logits"}, "its modules give no scores"),
    ],
    ids=str,
)
def test_what_is_not_described_of_modules_and_rotations_is_refused(
    tmp_path: Path, file: str, change: dict[str, object], reason: str
) -> None:
    edit_json(SAVED["ettin"](tmp_path) / file, **change)
    with pytest.raises(NoGraphError, match=reason):
        read_network(tmp_path, "model")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pos_att_type": "p2p"}, "has pos_att_type='p2p'"),
        ({"pos_att_type": None}, "has pos_att_type="),
        ({"relative_attention": False}, "has relative_attention=False"),
        ({"conv_kernel_size": 3}, "has conv_kernel_size=3"),
        ({"pooler_hidden_size": 16}, "has pooler_hidden_size=16"),
    ],
    ids=str,
)
def test_what_is_not_described_of_deberta_is_refused(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    edit_json(SAVED["deberta-v3"](tmp_path) / "config.json", **change)
    with pytest.raises(NoGraphError, match=reason):
        read_network(tmp_path, "model")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "sentence_transformers.models.Normalize"}, "its module Normalize is not known"),
        ({"type": "own.Dense"}, "its module own.Dense is code of its own"),
    ],
    ids=str,
)
def test_modules_that_are_not_described_are_refused(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    file = SAVED["ettin"](tmp_path) / "modules.json"
    modules = json.loads(file.read_text())
    modules[4].update(change)
    file.write_text(json.dumps(modules))
    with pytest.raises(NoGraphError, match=reason):
        read_network(tmp_path, "model")


def test_a_module_without_its_weights_is_an_error_that_names_them(tmp_path: Path) -> None:
    (SAVED["ettin"](tmp_path) / "4_Dense" / "model.safetensors").unlink()
    read_parts(tmp_path)  # as of a model of the hub whose weights were not fetched yet
    with pytest.raises(ModelError, match=r"its files have no 4_Dense/linear\.bias, 4_Dense/linear"):
        read_network(tmp_path, "model")


def test_a_head_without_a_pooling_is_refused(tmp_path: Path) -> None:
    file = SAVED["ettin"](tmp_path) / "modules.json"
    modules = json.loads(file.read_text())
    file.write_text(json.dumps([modules[0], *modules[2:]]))
    with pytest.raises(NoGraphError, match="its transformer is followed by Dense"):
        read_network(tmp_path, "model")


OLDER = {
    "rotations as transformers 4 wrote them": (
        "config.json",
        {
            "rope_parameters": None,
            "layer_types": None,
            "global_rope_theta": 150_000.0,
            "local_rope_theta": 160_000.0,
            "global_attn_every_n_layers": 2,
            "layer_norm_eps": 1e-9,
            "position_embedding_type": "sans_pos",
        },
    ),
    "poolings as sentence-transformers 5 wrote them": (
        "1_Pooling/config.json",
        {"pooling_mode": None, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
    ),
}


@pytest.mark.parametrize("name", OLDER)
def test_older_files_are_read(tmp_path: Path, name: str) -> None:
    file, change = OLDER[name]
    folder = SAVED["ettin"](tmp_path)
    before = read_network(folder, "model")
    kept = json.loads((folder / file).read_text()) | change
    (folder / file).write_text(json.dumps({k: v for k, v in kept.items() if v is not None}))
    assert read_network(folder, "model").encoder != before.encoder or "pool" in name
    check(case_of(folder), InOnnx)


@pytest.mark.parametrize(
    "change",
    [
        {"_attn_implementation_autoset": True},
        {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"},
        {"emb_size": 312, "pre_trained": "", "training": ""},
        {"tokenizer_class": "BertTokenizer"},
        {"tie_weights_": True},
        {"num_labels": 1},
    ],
    ids="-".join,
)
def test_what_changes_no_score_is_not_asked_about(
    tmp_path: Path, change: dict[str, object]
) -> None:
    SAVED["bert"](tmp_path)
    before = set(read_network(tmp_path, "model").weights)
    edit_json(tmp_path / "config.json", **change)
    assert set(read_network(tmp_path, "model").weights) == before


def test_a_config_that_says_two_numbers_of_columns_is_refused(tmp_path: Path) -> None:
    SAVED["bert"](tmp_path)
    edit_json(tmp_path / "config.json", num_labels=3)
    with pytest.raises(NoGraphError, match="has num_labels=3"):
        read_network(tmp_path, "model")
