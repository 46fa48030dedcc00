"""Every backend gives the logits of `CrossEncoder.predict`, for every architecture it takes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from transformers import (
    AutoModelForSequenceClassification,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
)

from rerank_plugins import CrossEncoderScorer, UnsupportedOptionError
from rerank_plugins.backends.cross_encoder import describe
from rerank_plugins.backends.first_token import reads_first_token
from rerank_plugins.backends.torch import TorchForward
from rerank_plugins.tokens.pairs import PairTokenizer, pad
from tests.tiny_models import (
    ARCHITECTURES,
    SPECIAL,
    WORDS,
    edit_json,
    fixed_seed,
    randomize,
    save_as_the_library_does,
    save_tiny_architecture,
    save_tiny_cross_encoder,
    tiny_tokenizer,
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


LEFT_ALONE = [
    DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64),
    ElectraConfig(hidden_size=32, embedding_size=16, num_hidden_layers=2, intermediate_size=64),
    DebertaV2Config(hidden_size=32, num_hidden_layers=2, intermediate_size=64),
    ModernBertConfig(hidden_size=32, num_hidden_layers=2, intermediate_size=64),
]


@pytest.mark.parametrize("config", LEFT_ALONE, ids=lambda config: config.model_type)
def test_other_architectures_run_in_torch_and_say_so(tmp_path: Path, config: object) -> None:
    config.vocab_size, config.num_labels = len(SPECIAL) + len(WORDS), 1
    config.num_attention_heads, config.max_position_embeddings = 4, 64
    config.pad_token_id = 0
    with fixed_seed():
        model = AutoModelForSequenceClassification.from_config(config)
        randomize(model)
    model.save_pretrained(tmp_path)
    tokenizer = tiny_tokenizer()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(tmp_path)
    with CrossEncoderScorer(tmp_path, device="cpu") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), predicted(tmp_path), atol=1e-5)
        assert scorer.plan().backend == "torch"
        assert "architecture" in scorer.plan().reason
    with (
        CrossEncoderScorer(tmp_path, backend="openvino") as scorer,
        pytest.raises(UnsupportedOptionError, match=f"{type(model).__name__}.*backend='torch'"),
    ):
        scorer.warm_up()


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


def test_a_model_with_code_of_its_own_never_becomes_a_graph(tmp_path: Path) -> None:
    from rerank_plugins.backends.architectures import graph_fits

    save_tiny_cross_encoder(tmp_path)
    assert graph_fits(tmp_path)
    for change in ({"auto_map": {"AutoModel": "own.Model"}}, {"is_decoder": True}):
        edit_json(tmp_path / "config.json", **change)
        assert not graph_fits(tmp_path)
        edit_json(tmp_path / "config.json", **dict.fromkeys(change))


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
