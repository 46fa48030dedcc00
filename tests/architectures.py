"""Tiny cross-encoders of every architecture and head, saved as the libraries save them.

`SAVED[name](folder)` writes one. Their weights are wide (see `tests.wide_weights`), their
tokenizers trained, and their sizes such that each part has an effect: windows, buckets and tables
are smaller than the longest pair.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    CamembertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

from tests.tiny_models import fixed_seed, save_as_the_library_does
from tests.trained_tokenizers import KINDS
from tests.wide_weights import draw_wide

LIMIT = 64
"""Tokens that each of the tiny models reads at most."""

_PAD = 1
_SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": LIMIT,
}
_POSITIONS_BEHIND_PADDING = {"max_position_embeddings": LIMIT + _PAD + 1, "type_vocab_size": 1}


@dataclass(frozen=True)
class Design:
    """A cross-encoder before it has weights.

    Attributes:
        config: The class of its configuration.
        tokenizer: One of the `KINDS`.
        values: What its configuration says.
        token_types: Whether the tokenizer tells the texts apart.
        columns: Columns of the head.
        head: Makes the modules after the encoder from its width and `columns`; `None` for the
            architecture's own sequence classification.
        dtype: What the weights are saved in.
        shard: Size of a weights file, such as `"20KB"`; `None` for one file.
        limit: Tokens that it reads at most.
    """

    config: type
    tokenizer: str
    values: Mapping[str, Any] = field(default_factory=dict)
    token_types: bool = False
    columns: int = 1
    head: Callable[[int, int], list[nn.Module]] | None = None
    dtype: torch.dtype = torch.float32
    shard: str | None = None
    limit: int = LIMIT

    def but(self, **values: Any) -> "Design":
        """The design with other values in its configuration."""
        return replace(self, values={**self.values, **values})


BERT = Design(BertConfig, "WordPiece", _SHAPE, token_types=True)
ROBERTA = Design(RobertaConfig, "byte-level BPE", {**_SHAPE, **_POSITIONS_BEHIND_PADDING})
XLM_ROBERTA = replace(ROBERTA, config=XLMRobertaConfig, tokenizer="SentencePiece")
CAMEMBERT = replace(ROBERTA, config=CamembertConfig, tokenizer="SentencePiece of words")
DISTILBERT = Design(
    DistilBertConfig,
    "WordPiece",
    {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": LIMIT},
)
ELECTRA = replace(BERT, config=ElectraConfig).but(embedding_size=16)
MPNET = Design(MPNetConfig, "WordPiece", {**_SHAPE, "max_position_embeddings": LIMIT + _PAD + 1})
MODERNBERT = Design(
    ModernBertConfig,
    "byte-level BPE",
    {
        **_SHAPE,
        "num_hidden_layers": 5,
        "local_attention": 12,
        "bos_token_id": 0,
        "cls_token_id": 0,
        "eos_token_id": 2,
        "sep_token_id": 2,
    },
)
DEBERTA = Design(
    DebertaV2Config,
    "SentencePiece",
    {
        **_SHAPE,
        "relative_attention": True,
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": "p2c|c2p",
        "position_biased_input": False,
        "type_vocab_size": 0,
        "layer_norm_eps": 1e-7,
    },
    token_types=True,
)
"""As DeBERTa-v3 and mxbai-rerank have it."""

PoolingMode = Literal["cls", "mean", "max", "lasttoken"]


def pooled(mode: PoolingMode, width: int, columns: int) -> list[nn.Module]:
    """The Ettin rerankers' head: pooling, a dense layer, a norm, and the scores."""
    return [
        Pooling(width, mode),
        Dense(width, width, bias=False, activation_function=nn.GELU()),
        LayerNorm(width),
        Dense(width, columns, activation_function=nn.Identity(), module_output_name="scores"),
    ]


def pooled_alone(mode: PoolingMode, width: int, columns: int) -> list[nn.Module]:
    """The least that scores: pooling, and a dense layer."""
    return [
        Pooling(width, mode),
        Dense(width, columns, activation_function=None, module_output_name="scores"),
    ]


def pooled_twice(width: int, columns: int) -> list[nn.Module]:
    """Two poolings side by side, and dense layers beside which their input goes on."""
    return [
        Pooling(width, ("cls", "mean")),
        Dense(2 * width, width, activation_function=nn.Tanh(), use_residual=True),
        Dense(width, width, activation_function=nn.ReLU(), use_residual=True),
        Dense(width, columns, activation_function=nn.Identity(), module_output_name="scores"),
    ]


def headed(design: Design, mode: PoolingMode) -> Design:
    """The design with the Ettin rerankers' head."""
    return replace(design, head=partial(pooled, mode))


DESIGNS: dict[str, Design] = {
    "bert": BERT,
    "bert, three columns": replace(BERT, columns=3),
    "bert without token types": replace(BERT, token_types=False),
    "bert with gelu_new": BERT.but(hidden_act="gelu_new", layer_norm_eps=1e-5),
    "bert of one layer": BERT.but(hidden_act="silu", num_hidden_layers=1),
    "bert in fp16": replace(BERT, dtype=torch.float16),
    "bert in bf16": replace(BERT, dtype=torch.bfloat16),
    "bert in several files": replace(BERT, shard="20KB"),
    "roberta": ROBERTA,
    "roberta, two columns": replace(ROBERTA, columns=2),
    "xlm-roberta": XLM_ROBERTA,
    "xlm-roberta with relu": XLM_ROBERTA.but(hidden_act="relu"),
    "xlm-roberta in fp16": replace(XLM_ROBERTA, dtype=torch.float16),
    "camembert": CAMEMBERT,
    "distilbert": DISTILBERT,
    "distilbert, three columns": replace(DISTILBERT, columns=3),
    "distilbert with sines": DISTILBERT.but(sinusoidal_pos_embds=True),
    "electra": ELECTRA,
    "electra of one width": ELECTRA.but(embedding_size=32),
    "mpnet": MPNET,
    "mpnet of many positions": MPNET.but(max_position_embeddings=514),
    "mpnet, three columns": replace(MPNET, columns=3),
    "modernbert": MODERNBERT,
    "modernbert, mean": MODERNBERT.but(classifier_pooling="mean"),
    "modernbert, three columns": replace(MODERNBERT, columns=3),
    "modernbert with biases": MODERNBERT.but(
        norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True
    ),
    "modernbert with silu": MODERNBERT.but(hidden_activation="silu", classifier_activation="silu"),
    "modernbert ending in a global layer": MODERNBERT.but(num_hidden_layers=4),
    "modernbert in bf16": replace(MODERNBERT, dtype=torch.bfloat16, shard="40KB"),
    "deberta-v3": DEBERTA,
    "deberta-v3, three columns": replace(DEBERTA, columns=3),
    "deberta-v3 in fp16": replace(DEBERTA, dtype=torch.float16, shard="40KB"),
    "deberta-v2": DEBERTA.but(
        share_att_key=False,
        norm_rel_ebd="none",
        position_buckets=-1,
        position_biased_input=True,
        type_vocab_size=2,
        pooler_hidden_act="tanh",
    ),
    "deberta-v2 with narrow embeddings": DEBERTA.but(embedding_size=16, max_relative_positions=40),
    "deberta-v2 from content to position": DEBERTA.but(
        pos_att_type="c2p", share_att_key=False, norm_rel_ebd="none"
    ),
    "deberta-v2 from position to content": DEBERTA.but(pos_att_type="p2c", share_att_key=False),
    "ettin": headed(MODERNBERT, "cls"),
    "ettin, mean": headed(MODERNBERT, "mean"),
    "ettin, max": headed(MODERNBERT, "max"),
    "ettin, lasttoken": headed(MODERNBERT, "lasttoken"),
    "ettin in bf16": replace(headed(MODERNBERT, "cls"), dtype=torch.bfloat16),
    "modular bert": headed(BERT, "cls"),
    "modular bert, mean": replace(BERT, head=partial(pooled_alone, "mean"), columns=3),
    "modular bert, two poolings": replace(BERT, head=pooled_twice),
    "modular roberta, lasttoken": headed(ROBERTA, "lasttoken"),
    "modular xlm-roberta, cls": replace(XLM_ROBERTA, head=partial(pooled_alone, "cls")),
    "modular distilbert, max": headed(DISTILBERT, "max"),
    "modular electra, cls": headed(ELECTRA, "cls"),
    "modular mpnet, mean": headed(MPNET, "mean"),
    "modular deberta-v3, cls": headed(DEBERTA, "cls"),
    "modular deberta-v3, mean": headed(DEBERTA, "mean"),
}


def save(design: Design, folder: Path) -> Path:
    """Writes a model of this design, with the same weights every time."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=KINDS[design.tokenizer](),
        model_max_length=design.limit,
        model_input_names=["input_ids", "attention_mask"] + ["token_type_ids"] * design.token_types,
        **_special(design.tokenizer),
    )
    with fixed_seed(), tempfile.TemporaryDirectory() as base:
        config = design.config(
            **{"vocab_size": len(tokenizer), "pad_token_id": _PAD, **design.values},
            num_labels=design.columns,
        )
        made = AutoModel if design.head else AutoModelForSequenceClassification
        made.from_config(config).save_pretrained(base)
        tokenizer.save_pretrained(base)
        model = _assembled(design, base)
        draw_wide(model)
        model.to(design.dtype)
    if design.head:
        save_as_the_library_does(model, folder)
    else:
        shard = {"max_shard_size": design.shard} if design.shard else {}
        model.transformers_model.save_pretrained(folder, **shard)
        tokenizer.save_pretrained(folder)
    return folder


def _assembled(design: Design, base: str) -> CrossEncoder:
    task = "feature-extraction" if design.head else "sequence-classification"
    encoder = Transformer(base, transformer_task=task)
    head = design.head(encoder.get_embedding_dimension(), design.columns) if design.head else []
    return CrossEncoder(modules=[encoder, *head], activation_fn=nn.Identity(), device="cpu")


def _special(kind: str) -> dict[str, str]:
    start, padding, end, unknown = (
        ("[CLS]", "[PAD]", "[SEP]", "[UNK]")
        if kind == "WordPiece"
        else ("<s>", "<pad>", "</s>", "<unk>")
    )
    return {"cls_token": start, "pad_token": padding, "sep_token": end, "unk_token": unknown}


SAVED: dict[str, Callable[[Path], Path]] = {
    name: partial(save, design) for name, design in DESIGNS.items()
}
