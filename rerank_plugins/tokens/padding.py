"""Tokenized pairs of different lengths as one batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.tokens.frame import Ids
from rerank_plugins.tokens.pairs import PairTokens


@dataclass(frozen=True, slots=True)
class Tokens:
    """A padded batch of b pairs of at most t tokens; each array is int64 of shape `(b, t)`."""

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]


def pad(
    pairs: Sequence[PairTokens], pad_id: int, *, multiple: int = 1, limit: int | None = None
) -> Tokens:
    """The pairs as one batch, padded on the right with `pad_id`.

    Args:
        pairs: b pairs, none longer than `limit`.
        pad_id: The token id that fills up.
        multiple: What the length of the longest pair is rounded up to a multiple of.
        limit: The most tokens to pad to; `None` is no limit.
    """
    longest = max(map(len, pairs))
    width = -(-longest // multiple) * multiple
    if limit is not None:
        width = min(width, limit)
    input_ids, filled = pad_rows([pair.input_ids for pair in pairs], pad_id, width)
    token_type_ids, _ = pad_rows([pair.type_ids for pair in pairs], 0, width)
    return Tokens(input_ids, filled.astype(np.int64), token_type_ids)


def pad_rows(
    rows: Sequence[Ids], value: int, width: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows of numbers filled up on the right to one width, and which places are no filling.

    Args:
        rows: b rows.
        value: What fills up.
        width: The width; by default that of the longest row.
    """
    lengths = np.array([len(row) for row in rows])
    filled = np.arange(lengths.max() if width is None else width) < lengths[:, None]
    numbers = np.full(filled.shape, value, dtype=np.int64)
    numbers[filled] = np.concatenate(rows)
    return numbers, filled
