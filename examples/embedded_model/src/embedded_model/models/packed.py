"""Pairs laid end to end, without padding: a whole step is one pass on a GPU.

Small models are bound by the start of each kernel there, so one long pass beats several padded
ones. Only attention needs to know where a pair ends; torch's variable-length attention does.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from transformers import BertForSequenceClassification

from rerank_plugins.backends.first_token import after_attention
from rerank_plugins.tokens.pairs import PairTokens


@dataclass(frozen=True)
class Pack:
    """b pairs of t tokens together.

    Attributes:
        input_ids: int64, `(1, t)`.
        token_type_ids: int64, `(1, t)`.
        position_ids: int64, `(1, t)`: each token's place in its own pair.
        bounds: int32, `(b + 1,)`: where each pair begins, and where the last one ends.
        longest: Tokens of the longest pair.
    """

    input_ids: torch.Tensor
    token_type_ids: torch.Tensor
    position_ids: torch.Tensor
    bounds: torch.Tensor
    longest: int

    @classmethod
    def of(cls, pairs: Sequence[PairTokens]) -> Pack:
        """Returns the pairs laid end to end."""
        lengths = np.array([len(pair) for pair in pairs])
        bounds = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
        rows = (
            np.concatenate([pair.input_ids for pair in pairs]),
            np.concatenate([pair.type_ids for pair in pairs]),
            np.arange(bounds[-1]) - np.repeat(bounds[:-1], lengths),
        )
        made = [torch.from_numpy(row.astype(np.int64))[None] for row in rows]
        ids, types, places = made
        return cls(ids, types, places, torch.from_numpy(bounds), int(lengths.max()))

    def to(self, device: torch.device) -> Pack:
        """Returns the same on a device."""
        return Pack(
            self.input_ids.to(device),
            self.token_type_ids.to(device),
            self.position_ids.to(device),
            self.bounds.to(device),
            self.longest,
        )


@functools.cache
def can_pack(device: torch.device) -> bool:
    """Whether this torch attends over packed pairs there, backwards too; only GPUs do."""
    if device.type != "cuda":
        return False
    parts = torch.zeros(3, 4, 1, 32, device=device, dtype=torch.bfloat16, requires_grad=True)
    bounds = torch.tensor([0, 1, 4], dtype=torch.int32, device=device)
    try:
        mixed = _attend(parts[0], parts[1], parts[2], bounds, bounds, 3, 3)
        mixed.sum().backward()  # type: ignore[no-untyped-call]
    except (ImportError, RuntimeError, TypeError):
        return False
    return True


def packed_logits_and_reading(
    student: BertForSequenceClassification, pack: Pack
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the logit of each pair, and what the heads of the last layer read for it."""
    bert: Any = student.bert
    hidden = bert.embeddings(
        input_ids=pack.input_ids,
        token_type_ids=pack.token_type_ids,
        position_ids=pack.position_ids,
    )
    *body, last = bert.encoder.layer
    for layer in body:
        read = _read(layer.attention.self, hidden, hidden, pack.bounds, pack)
        hidden = after_attention(layer, hidden, read)
    first = hidden[:, pack.bounds[:-1]]
    ones = torch.arange(len(pack.bounds), dtype=torch.int32, device=hidden.device)
    read = _read(last.attention.self, first, hidden, ones, pack)
    state = after_attention(last, first, read).transpose(0, 1)
    logits: torch.Tensor = student.classifier(bert.pooler(state))
    return logits[:, 0].float(), read[0].float()


def _read(
    attention: Any, asking: torch.Tensor, held: torch.Tensor, bounds: torch.Tensor, pack: Pack
) -> torch.Tensor:
    """What the heads read for the asking tokens, `bounds` of which belong to each pair."""

    def split(values: torch.Tensor) -> torch.Tensor:
        return values[0].view(values.shape[1], attention.num_attention_heads, -1)

    mixed = _attend(
        split(attention.query(asking)),
        split(attention.key(held)),
        split(attention.value(held)),
        bounds,
        pack.bounds,
        pack.longest if asking is held else 1,
        pack.longest,
    )
    return mixed.flatten(1)[None]


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    asking: torch.Tensor,
    held: torch.Tensor,
    most_asking: int,
    most_held: int,
) -> torch.Tensor:
    """Attention of `(tokens, heads, size)` within each pair."""
    if query.is_cuda:
        from torch.nn.attention.varlen import varlen_attn

        places = (asking, held, most_asking, most_held)
        return cast("torch.Tensor", varlen_attn(query, key, value, *places))
    attended = []
    for first, last, begin, end in zip(
        asking.tolist(), asking[1:].tolist(), held.tolist(), held[1:].tolist(), strict=False
    ):
        mixed = nn.functional.scaled_dot_product_attention(
            query[first:last].transpose(0, 1),
            key[begin:end].transpose(0, 1),
            value[begin:end].transpose(0, 1),
        )
        attended.append(mixed.transpose(0, 1))
    return torch.cat(attended)
