"""Folders of models in the shapes of those that people use, with random weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
)

from benchmarks.work import Sizes
from rerank_plugins.models.references import EMBEDDED_FOLDER

_TOKENS = 512
"""What each of them reads at most; longer positions make none of them slower."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how quick a model is: everything but the values of its weights.

    Attributes:
        config: The class of its configuration.
        words: Size of its vocabulary.
        sizes: Layers and widths.
        values: What else its configuration says.
        modular: Whether its head is the Ettin rerankers': pooled by the first token, a dense layer,
            a norm and the score; else it is the architecture's own classifier.
    """

    config: type[PreTrainedConfig]
    words: int
    sizes: Sizes
    values: Mapping[str, Any]
    modular: bool = False


def _bert(layers: int, width: int = 384, heads: int = 12) -> Shape:
    return Shape(BertConfig, 30_522, Sizes(layers, width, heads, 4 * width), {})


def _modernbert(layers: int, width: int, inner: int, *, modular: bool) -> Shape:
    sizes = Sizes(layers, width, width // 64, inner, gated=True, last="keys" if modular else "all")
    special = dict.fromkeys(("bos_token_id", "cls_token_id", "eos_token_id", "sep_token_id"), 1)
    pooled = {} if modular else {"classifier_pooling": "mean"}
    return Shape(ModernBertConfig, 50_368, sizes, {**special, **pooled}, modular)


_DEBERTA_V3 = {
    "relative_attention": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
    "type_vocab_size": 0,
}

SHAPES: dict[str, Shape] = {
    "cross-encoder/ms-marco-TinyBERT-L2-v2": _bert(2, 128, 2),
    "cross-encoder/ms-marco-MiniLM-L4-v2": _bert(4),
    "cross-encoder/ms-marco-MiniLM-L6-v2": _bert(6),
    "cross-encoder/ms-marco-MiniLM-L12-v2": _bert(12),
    "cross-encoder/ettin-reranker-17m-v1": _modernbert(7, 256, 384, modular=True),
    "cross-encoder/ettin-reranker-32m-v1": _modernbert(10, 384, 576, modular=True),
    "cross-encoder/ettin-reranker-68m-v1": _modernbert(19, 512, 768, modular=True),
    "mixedbread-ai/mxbai-rerank-xsmall-v1": Shape(
        DebertaV2Config, 128_100, Sizes(12, 384, 6, 1536, last="keys"), _DEBERTA_V3
    ),
    "Alibaba-NLP/gte-reranker-modernbert-base": _modernbert(22, 768, 1152, modular=False),
    "BAAI/bge-reranker-base": Shape(
        XLMRobertaConfig, 250_002, Sizes(12, 768, 12, 3072), {"type_vocab_size": 1}
    ),
    "BAAI/bge-reranker-v2-m3": Shape(
        XLMRobertaConfig, 250_002, Sizes(24, 1024, 16, 4096), {"type_vocab_size": 1}
    ),
}
"""By the model that has the shape."""


def save_shape(shape: Shape, folder: Path) -> int:
    """Writes a model of this shape, as the libraries save one, and returns its parameters.

    Its tokenizer is the embedded model's, so that all shapes read the same tokens.
    """
    tokenizer = PreTrainedTokenizerFast.from_pretrained(EMBEDDED_FOLDER, model_max_length=_TOKENS)
    if shape.config is not BertConfig:
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    torch.manual_seed(0)
    config = shape.config(
        vocab_size=shape.words,
        hidden_size=shape.sizes.width,
        num_hidden_layers=shape.sizes.layers,
        num_attention_heads=shape.sizes.heads,
        intermediate_size=shape.sizes.inner,
        max_position_embeddings=_TOKENS + 2,
        pad_token_id=tokenizer.pad_token_id,
        num_labels=1,
        **shape.values,
    )
    made = AutoModel if shape.modular else AutoModelForSequenceClassification
    model = made.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if shape.modular:
        _save_with_modules(folder, shape.sizes.width)
    return sum(parameter.numel() for parameter in model.parameters())


def _save_with_modules(folder: Path, width: int) -> None:
    encoder = Transformer(str(folder), transformer_task="feature-extraction")
    head = [
        Pooling(width, "cls"),
        Dense(width, width, bias=False, activation_function=torch.nn.GELU()),
        LayerNorm(width),
        Dense(width, 1, activation_function=torch.nn.Identity(), module_output_name="scores"),
    ]
    model = CrossEncoder(modules=[encoder, *head], device="cpu")
    model.model_card_data.local_files_only = True  # no search for the base model on the hub
    model.save_pretrained(str(folder))
