"""Chunks: the pairs of a step sorted by length, so that little is spent on padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedTokenizerBase

_LENGTH_STEP = 8
"""Lengths are rounded up to this: kernels are prepared anew for every shape they have not met."""


def tokenize_pairs(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]], max_length: int
) -> list[dict[str, list[int]]]:
    """Returns the token ids of each pair, the longer text of a pair cut first."""
    encoded = tokenizer(
        [query for query, _ in pairs],
        [passage for _, passage in pairs],
        truncation="longest_first",
        max_length=max_length,
    )
    names = ("input_ids", "token_type_ids", "attention_mask")
    return [
        dict(zip(names, values, strict=True))
        for values in zip(*(encoded[name] for name in names), strict=True)
    ]


def sorted_chunks(
    tokenizer: PreTrainedTokenizerBase, encoded: Sequence[dict[str, list[int]]], budget: int
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Yields positions and padded tensors of chunks of at most ``budget`` padded tokens.

    A pair longer than the budget gets a chunk of its own. Longest first: where memory is short it
    shows in the first chunk.
    """
    order = sorted(range(len(encoded)), key=lambda number: -len(encoded[number]["input_ids"]))
    while order:
        longest = len(encoded[order[0]]["input_ids"])
        longest += -longest % _LENGTH_STEP
        size = max(1, budget // longest)
        chunk, order = order[:size], order[size:]
        padded = tokenizer.pad(
            [encoded[number] for number in chunk],
            pad_to_multiple_of=_LENGTH_STEP,
            return_tensors="pt",
        )
        yield chunk, padded.data
