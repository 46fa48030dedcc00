"""Cross-encoders of the widths and depths that people use, with random weights.

Their vocabularies are those of the trained tokenizers: `but(vocab_size=...)` makes the table of
tokens as large as the real one.
"""

from dataclasses import replace

from tests.architectures import (
    BERT,
    DEBERTA,
    DISTILBERT,
    ELECTRA,
    MODERNBERT,
    MPNET,
    ROBERTA,
    XLM_ROBERTA,
    Design,
    headed,
)

LIMIT = 512


def _sized(design: Design, width: int, layers: int, heads: int, inner: int) -> Design:
    before = design.values.get("max_position_embeddings", design.limit) - design.limit
    return replace(design, limit=LIMIT).but(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=LIMIT + before,
    )


def _modernbert(width: int, layers: int, heads: int, inner: int, local_base: float) -> Design:
    return _sized(MODERNBERT, width, layers, heads, inner).but(
        local_attention=128,
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": 160_000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": local_base},
        },
    )


def _deberta(width: int, layers: int, heads: int, inner: int) -> Design:
    return _sized(DEBERTA, width, layers, heads, inner).but(position_buckets=256)


REAL: dict[str, Design] = {
    "ms-marco-MiniLM-L4": _sized(BERT, 384, 4, 12, 1536),
    "ms-marco-MiniLM-L6": _sized(BERT, 384, 6, 12, 1536),
    "ms-marco-MiniLM-L12": _sized(BERT, 384, 12, 12, 1536),
    "ms-marco-electra-base": _sized(ELECTRA, 768, 12, 12, 3072).but(embedding_size=768),
    "stsb-distilroberta-base": _sized(ROBERTA, 768, 6, 12, 3072),
    "bge-reranker-base": _sized(XLM_ROBERTA, 768, 12, 12, 3072),
    "mpnet-base": _sized(MPNET, 768, 12, 12, 3072),
    "distilbert-base": replace(DISTILBERT, limit=LIMIT).but(
        dim=768, n_layers=6, n_heads=12, hidden_dim=3072, max_position_embeddings=LIMIT
    ),
    "ettin-reranker-17m": headed(_modernbert(256, 7, 4, 384, 160_000.0), "cls"),
    "ettin-reranker-32m": headed(_modernbert(384, 10, 6, 576, 160_000.0), "cls"),
    "gte-reranker-modernbert-base": _modernbert(768, 22, 12, 1152, 10_000.0).but(
        classifier_pooling="mean"
    ),
    "mxbai-rerank-xsmall": _deberta(384, 12, 6, 1536),
    "deberta-v3-small": _deberta(768, 6, 12, 3072),
}
"""By the model that has this shape, or whose encoder has it."""
