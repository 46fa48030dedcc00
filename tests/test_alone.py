"""A pair's score is what `predict` gives for the pair alone, whatever shares its batch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForSequenceClassification,
    BartConfig,
    Data2VecTextConfig,
    DebertaV2Config,
    EsmConfig,
    GPT2Config,
    LiltConfig,
    LongformerConfig,
    MPNetConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLNetConfig,
)

from rerank_plugins import (
    CrossEncoderScorer,
    Reranker,
    ScoringError,
    UnsupportedOptionError,
)
from tests.tiny_models import (
    ROBERTA_SPECIAL,
    WORDS,
    edit_json,
    fixed_seed,
    randomize,
    save_tiny_cross_encoder,
    tiny_roberta_tokenizer,
    tiny_tokenizer,
)

PAIRS = [
    ("what is a red fox", "the red fox is a small dog"),
    ("sea", "a river is not the sea"),
    ("star", "sun moon star"),
    ("why is the sea blue", "the sea is water " * 6),
]
SHAPE: dict[str, object] = {
    "vocab_size": 5 + len(WORDS),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "num_labels": 1,
    "pad_token_id": 1,
}
GPT2 = GPT2Config(
    vocab_size=5 + len(WORDS),
    n_embd=32,
    n_layer=2,
    n_head=4,
    n_positions=66,
    num_labels=1,
    bos_token_id=0,
    eos_token_id=2,
)
BART = BartConfig(
    vocab_size=5 + len(WORDS),
    d_model=32,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=64,
    decoder_ffn_dim=64,
    max_position_embeddings=64,
    num_labels=1,
)
XLNET = XLNetConfig(
    vocab_size=5 + len(WORDS), d_model=32, n_layer=2, n_head=4, d_inner=64, num_labels=1
)


def plain_tokenizer(**options: object) -> PreTrainedTokenizerFast:
    """Words without special tokens around them, as decoders take them."""
    vocabulary = {token: index for index, token in enumerate([*ROBERTA_SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["</s>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=64,
        **options,
    )


def save(
    folder: Path, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerFast | None = None
) -> Path:
    """A model of that kind with random weights."""
    with fixed_seed():
        model = AutoModelForSequenceClassification.from_config(config)
        randomize(model)
    model.save_pretrained(folder)
    (tokenizer or tiny_roberta_tokenizer()).save_pretrained(folder)
    return folder


def predicted(
    folder: Path, pairs: list[tuple[str, str]], max_length: int | None = None
) -> np.ndarray:
    model = CrossEncoder(str(folder), device="cpu", max_length=max_length)
    return model.predict(pairs, activation_fn=torch.nn.Identity(), batch_size=1)


LAST_PLACE: dict[str, Callable[[Path], Path]] = {
    "xlnet": lambda folder: save(folder, XLNET),
    "gpt2 padded left": lambda folder: save(
        folder,
        GPT2Config(**{**GPT2.to_dict(), "pad_token_id": 1}),
        plain_tokenizer(pad_token="<pad>", padding_side="left"),
    ),
    "gpt2 that knows no padding": lambda folder: save(
        folder, GPT2, plain_tokenizer(pad_token="<pad>")
    ),
    "bert without a mask": lambda folder: save_without_mask(folder),
}


def save_without_mask(folder: Path) -> Path:
    save_tiny_cross_encoder(folder)
    edit_json(folder / "tokenizer_config.json", model_input_names=["input_ids", "token_type_ids"])
    return folder


@pytest.mark.parametrize("kind", LAST_PLACE)
def test_a_pair_beside_longer_ones_has_the_score_that_it_has_alone(
    tmp_path: Path, kind: str
) -> None:
    LAST_PLACE[kind](tmp_path)
    wanted = predicted(tmp_path, PAIRS)
    assert np.ptp(wanted) > 0.01
    with CrossEncoderScorer(tmp_path, device="cpu") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), wanted, atol=1e-5)


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_a_tokenizer_that_gives_no_mask_is_no_hindrance(tmp_path: Path, backend: str) -> None:
    save_without_mask(tmp_path)
    with CrossEncoderScorer(tmp_path, backend=backend) as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), predicted(tmp_path, PAIRS), atol=1e-5)


def test_the_plan_says_why_a_model_gets_one_pair_per_batch(tmp_path: Path) -> None:
    save(tmp_path, XLNET)
    with CrossEncoderScorer(tmp_path, device="cpu") as scorer:
        assert (
            "one pair per batch because it scores a pair differently beside longer"
            in scorer.plan().reason
        )


def test_a_decoder_without_a_padding_token_scores_each_pair_alone(tmp_path: Path) -> None:
    save(tmp_path, GPT2, plain_tokenizer())
    padded = save(tmp_path / "padded", GPT2, plain_tokenizer(pad_token="<pad>"))
    with CrossEncoderScorer(tmp_path, device="cpu") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(PAIRS), predicted(padded, PAIRS), atol=1e-5)
        assert "because its tokenizer has no padding token" in scorer.plan().reason


def test_a_pair_without_tokens_is_an_error_that_names_it(tmp_path: Path) -> None:
    save(tmp_path, GPT2, plain_tokenizer(pad_token="<pad>"))
    with CrossEncoderScorer(tmp_path, device="cpu") as scorer:
        for pairs in ([("", "")], [*PAIRS, ("", "")]):
            with pytest.raises(ScoringError, match="no token in query '' and passage ''"):
                scorer.score_pairs(pairs)


def test_texts_that_a_model_refuses_side_by_side_are_scored_one_by_one(tmp_path: Path) -> None:
    save(tmp_path, BART)
    pairs = [*PAIRS, ("sea", "a river </s> the sea")]  # BART wants as many </s> in each
    with CrossEncoderScorer(tmp_path, device="cpu") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(pairs), predicted(tmp_path, pairs), atol=1e-5)
        assert "one pair per batch" not in scorer.plan().reason


def test_what_a_model_raises_comes_as_our_error_with_its_cause(tmp_path: Path) -> None:
    save_tiny_cross_encoder(tmp_path)
    with CrossEncoderScorer(tmp_path, backend="torch", device="cpu") as scorer:
        scorer.warm_up()
        backend = scorer._shared.engine.backends[0]
        broken = backend.forward._logits  # a model that changed under its scorer
        backend.forward._logits = lambda features: broken({**features, "input_ids": None})
        with pytest.raises(ScoringError, match="failed to score query 'sea'") as caught:
            scorer.score_pairs([("sea", "a river")])
        assert caught.value.__cause__ is not None
        backend.forward._logits = broken
        assert np.isfinite(scorer.score_pairs(PAIRS)).all()


BEHIND_PADDING: dict[str, PreTrainedConfig] = {
    "roberta": RobertaConfig(**{**SHAPE, "type_vocab_size": 1}),
    "longformer": LongformerConfig(**{**SHAPE, "attention_window": 8}),
    "mpnet": MPNetConfig(**SHAPE),
    "data2vec": Data2VecTextConfig(**{**SHAPE, "type_vocab_size": 1}),
    "lilt": LiltConfig(**{**SHAPE, "hidden_size": 48, "type_vocab_size": 1}),
    "esm": EsmConfig(**{**SHAPE, "position_embedding_type": "absolute", "mask_token_id": 4}),
    "roberta padded with 3": RobertaConfig(**{**SHAPE, "pad_token_id": 3, "type_vocab_size": 1}),
    "bart": BART,
}


@pytest.mark.parametrize("kind", BEHIND_PADDING)
def test_positions_behind_the_padding_id_are_counted_in_the_models_own_table(
    tmp_path: Path, kind: str
) -> None:
    config = BEHIND_PADDING[kind]
    tokenizer = tiny_roberta_tokenizer(512)
    if config.pad_token_id == 3:
        tokenizer.pad_token = "<unk>"
    save(tmp_path, config, tokenizer)
    readable = 62 if config.pad_token_id == 3 else 64
    pairs = [("red fox", "dog " * words) for words in (1, 30, 90)]
    wanted = predicted(tmp_path, pairs, readable)
    with CrossEncoderScorer(tmp_path, device="cpu") as scorer:
        np.testing.assert_allclose(scorer.score_pairs(pairs), wanted, atol=1e-5)
        cut = Reranker(scorer).rank("red", ["dog " * (readable - 5), "dog " * (readable - 4)])
        assert sorted(bool(ranked.truncated) for ranked in cut) == [False, True]
    with (
        CrossEncoderScorer(tmp_path, device="cpu", max_length=readable + 1) as scorer,
        pytest.raises(UnsupportedOptionError, match=f"reads at most {readable} tokens"),
    ):
        scorer.warm_up()


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_a_length_above_the_saved_one_is_read_up_to_the_table(tmp_path: Path, backend: str) -> None:
    save_tiny_cross_encoder(tmp_path)
    tiny_tokenizer(48).save_pretrained(tmp_path)
    pairs = [("red fox", "dog cat " * words) for words in (1, 20, 40)]
    for length, given in ((48, None), (64, 64), (20, 20)):
        wanted = predicted(tmp_path, pairs, length)
        with CrossEncoderScorer(tmp_path, backend=backend, max_length=given) as scorer:
            np.testing.assert_allclose(scorer.score_pairs(pairs), wanted, atol=1e-5)
    with (
        CrossEncoderScorer(tmp_path, backend=backend, max_length=65) as scorer,
        pytest.raises(UnsupportedOptionError, match=r"reads at most 64 tokens: it has no more"),
    ):
        scorer.warm_up()


WITHOUT_TABLE: dict[str, PreTrainedConfig] = {
    "deberta": DebertaV2Config(
        **{
            **SHAPE,
            "relative_attention": True,
            "position_biased_input": False,
            "type_vocab_size": 0,
            "pos_att_type": ["p2c", "c2p"],
        }
    ),
    "xlnet": XLNET,
}


@pytest.mark.parametrize("kind", WITHOUT_TABLE)
def test_a_model_without_a_table_of_positions_reads_as_much_as_is_asked_for(
    tmp_path: Path, kind: str
) -> None:
    save(tmp_path, WITHOUT_TABLE[kind], tiny_roberta_tokenizer(48))
    pairs = [("red fox", "dog cat " * words) for words in (1, 40, 150)]
    for length, given in ((48, None), (256, 256)):
        wanted = predicted(tmp_path, pairs, length)
        with CrossEncoderScorer(tmp_path, device="cpu", max_length=given) as scorer:
            np.testing.assert_allclose(scorer.score_pairs(pairs), wanted, atol=1e-5)


def test_weights_saved_in_bf16_run_in_fp32_unless_bf16_is_asked_for(tmp_path: Path) -> None:
    save_tiny_cross_encoder(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    halved = {key: value.to(torch.bfloat16) for key, value in weights.items()}
    save_file(halved, tmp_path / "model.safetensors", metadata={"format": "pt"})
    edit_json(tmp_path / "config.json", dtype="bfloat16")
    as_saved = CrossEncoder(str(tmp_path), device="cpu")
    assert as_saved.dtype == torch.bfloat16
    as_fp32 = CrossEncoder(
        str(tmp_path), device="cpu", model_kwargs={"dtype": torch.float32}
    ).predict(PAIRS, activation_fn=torch.nn.Identity(), batch_size=1)
    rounded = as_saved.predict(PAIRS, activation_fn=torch.nn.Identity(), batch_size=1)
    assert np.abs(rounded - as_fp32).max() > 1e-4
    for backend in ("torch", "onnx", "openvino"):
        with CrossEncoderScorer(tmp_path, backend=backend) as scorer:
            np.testing.assert_allclose(scorer.score_pairs(PAIRS), as_fp32, atol=1e-5)
