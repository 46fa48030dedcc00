"""A cross-encoder's logits from what they depend on: the first token of the last layer.

Heads that pool one token read nothing else of the last layer. There, keys and values are computed
for all tokens and everything else (query, attention output, feed-forward, norms) for the first
token alone: the same numbers with 21% less arithmetic in four layers.
"""

from typing import Any

import torch
from torch import nn

from rerank_plugins.backends._choice import FIRST_TOKEN_ARCHITECTURES


class FirstTokenLogits(nn.Module):
    """The modules of a BERT- or RoBERTa-family cross-encoder, run for the first token's sake.

    It shares the modules of the model and copies no weights.

    Args:
        model: A sequence classification model of transformers for which `reads_first_token`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        encoder: Any = getattr(model, str(model.base_model_prefix))
        self.embeddings = encoder.embeddings
        self.layers = encoder.encoder.layer
        self.pooler = encoder.pooler
        self.classifier: Any = model.classifier

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits, `(b, columns)`, of b padded pairs; all inputs are integers of shape `(b, t)`."""
        if token_type_ids is None:
            token_type_ids = torch.zeros_like(input_ids)
        hidden = self.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        visible = attention_mask.bool()[:, None, None, :]
        *body, last = self.layers
        for layer in body:
            hidden = _layer(layer, hidden, hidden, visible)
        first = _layer(last, hidden[:, :1], hidden, visible)
        # BERT's pooler and RoBERTa's head each take the first token themselves.
        logits: torch.Tensor = self.classifier(first if self.pooler is None else self.pooler(first))
        return logits


def reads_first_token(model: nn.Module) -> bool:
    """Whether `FirstTokenLogits` gives this model's logits: transformers' own class, an encoder."""
    kind = type(model)
    return (
        kind.__name__ in FIRST_TOKEN_ARCHITECTURES
        and kind.__module__.startswith("transformers.models.")
        and not getattr(model.config, "is_decoder", False)
    )


def _layer(
    layer: Any, asking: torch.Tensor, hidden: torch.Tensor, visible: torch.Tensor
) -> torch.Tensor:
    """One transformer layer's output for the tokens in `asking`, which look at all of `hidden`."""
    attention = layer.attention.self
    heads = attention.num_attention_heads

    def split(values: Any) -> Any:
        return values.unflatten(-1, (heads, -1)).transpose(1, 2)

    mixed = nn.functional.scaled_dot_product_attention(
        split(attention.query(asking)),
        split(attention.key(hidden)),
        split(attention.value(hidden)),
        attn_mask=visible,
    )
    attended = layer.attention.output(mixed.transpose(1, 2).flatten(2), asking)
    result: torch.Tensor = layer.output(layer.intermediate(attended), attended)
    return result
