"""Chunks: the pairs of a step sorted by length, so that little is spent on padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from rerank_plugins.tokens.padding import pad_rows
from rerank_plugins.tokens.pairs import PairTokenizer, PairTokens

_LENGTH_STEP = 8
"""Lengths are rounded up to this: kernels are prepared anew for every shape they have not met."""

_KEPT_BYTES = 4_000_000_000
"""A run meets its passages again and again, so all of them are kept."""


def pair_tokenizer(tokenizer: PreTrainedTokenizerBase, max_length: int) -> PairTokenizer:
    """Returns the tokenizer of a run's pairs; it cuts the longer text of a pair first."""
    return PairTokenizer(
        tokenizer.backend_tokenizer.to_str(), max_length=max_length, kept_bytes=_KEPT_BYTES
    )


def sorted_chunks(
    pairs: Sequence[PairTokens], budget: int
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Yields positions and padded tensors of chunks of at most `budget` padded tokens.

    A pair longer than the budget gets a chunk of its own. Longest first, so that little of a chunk
    is padding. The budget bounds the memory of scoring; a step of training keeps what all of its
    chunks computed until it goes backward.
    """
    for chunk in chunk_positions([len(pair) for pair in pairs], budget):
        inputs, mask = padded([pairs[number].input_ids for number in chunk])
        types, _ = padded([pairs[number].type_ids for number in chunk])
        yield (
            chunk,
            {"input_ids": inputs, "token_type_ids": types, "attention_mask": mask},
        )


def chunk_positions(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yields the positions of each chunk of at most `budget` padded tokens, longest first."""
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    start = 0
    while start < len(order):
        longest = lengths[order[start]]
        longest += -longest % _LENGTH_STEP
        size = max(1, budget // longest)
        yield order[start : start + size]
        start += size


def padded(rows: Sequence[NDArray[np.int32]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns rows of ids filled up with zeros, int64, and which of them are no padding."""
    filled, mask = pad_rows(rows, 0)
    right = ((0, 0), (0, -filled.shape[1] % _LENGTH_STEP))
    ids, places = np.pad(filled, right), np.pad(mask.astype(np.int64), right)
    return torch.from_numpy(ids), torch.from_numpy(places)
