"""The ONNX graph beside the weights, which backend runs, and models that predict for themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from rerank_plugins import (
    CrossEncoderScorer,
    NotACrossEncoderError,
    Reranker,
)
from tests.tiny_models import (
    SPECIAL,
    WORDS,
    fixed_seed,
    save_tiny_chat_model,
)

PAIRS = [
    ("what is a red fox", "the red fox is a small dog"),
    ("sea", "a river is not the sea " * 9),
    ("", ""),
]


def test_a_model_keeps_the_tokenizers_of_the_lengths_used_last(tiny_model: Path) -> None:
    lengths = [9, 12, 15, 18, 21, 9]

    def scores() -> list[float]:
        found = []
        for length in lengths:
            with CrossEncoderScorer(tiny_model, device="cpu", max_length=length) as scorer:
                found += scorer.score_pairs(PAIRS).tolist()
        return found

    with CrossEncoderScorer(tiny_model, device="cpu") as scorer:
        scorer.warm_up()
        first = scores()
        assert scores() == first
        kept = scorer._shared.engine.backends[0]._tokenizers
        assert [length for length, _ in kept] == [15, 18, 21, 9]


def test_a_roberta_reads_two_positions_less_than_it_has(tmp_path: Path) -> None:
    config = RobertaConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=34,
        type_vocab_size=1,
        num_labels=1,
        pad_token_id=1,
    )
    with fixed_seed():
        RobertaForSequenceClassification(config).save_pretrained(tmp_path)
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *WORDS]
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(tmp_path)
    pairs = [("red fox", "dog " * words) for words in (1, 30, 90)]
    model = CrossEncoder(str(tmp_path), device="cpu", max_length=32)
    wanted = model.predict(pairs, activation_fn=torch.nn.Identity(), batch_size=1)
    with CrossEncoderScorer(tmp_path) as scorer:
        np.testing.assert_allclose(scorer.score_pairs(pairs), wanted, atol=1e-5)
        cut = [r.truncated for r in Reranker(scorer).rank("red", ["dog " * 31, "dog " * 32])]
    assert sorted(map(bool, cut)) == [False, True]


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_chat_model(tmp_path_factory.mktemp("chat"))


def test_a_chat_model_saved_as_a_cross_encoder_scores_as_predict_does(chat_model: Path) -> None:
    pairs = [("what is a fox", "the red fox"), ("sea", "a river is not the sea " * 3)]
    model = CrossEncoder(str(chat_model), device="cpu")
    wanted = model.predict(pairs, activation_fn=torch.nn.Identity(), batch_size=1)
    with CrossEncoderScorer(chat_model) as scorer:
        np.testing.assert_allclose(scorer.score_pairs(pairs), wanted, atol=1e-5)
        assert Reranker(scorer).rank("sea", ["the sea"])[0].truncated is None
    prompted = model.predict(pairs, prompt="how", activation_fn=torch.nn.Identity(), batch_size=1)
    with CrossEncoderScorer(chat_model, prompt="how", max_batch_tokens=1) as scorer:
        np.testing.assert_allclose(scorer.score_pairs(pairs), prompted, atol=1e-5)


def test_a_chat_model_reads_as_much_as_is_asked_for(chat_model: Path) -> None:
    pairs = [("sea", "a river is not the sea " * 60), ("what is a fox", "the red fox " * 50)]
    model = CrossEncoder(str(chat_model), device="cpu")
    for length in (64, 1024):  # its tokenizer was saved with 128; it has no table of positions
        limit = {"text": {"max_length": length, "truncation": True}}
        wanted = model.predict(
            pairs, activation_fn=torch.nn.Identity(), batch_size=1, processing_kwargs=limit
        )
        with CrossEncoderScorer(chat_model, max_length=length) as scorer:
            np.testing.assert_allclose(scorer.score_pairs(pairs), wanted, atol=1e-5)


def test_a_plain_language_model_is_not_a_cross_encoder(tmp_path: Path) -> None:
    config = Qwen2Config(vocab_size=20, hidden_size=32, num_hidden_layers=1, num_attention_heads=4)
    Qwen2ForCausalLM(config).save_pretrained(tmp_path)
    with (
        CrossEncoderScorer(tmp_path) as scorer,
        pytest.raises(NotACrossEncoderError, match="Qwen2ForCausalLM"),
    ):
        scorer.warm_up()
