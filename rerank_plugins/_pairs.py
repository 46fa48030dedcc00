"""Pairs of texts to token ids with a fast tokenizer; says which pairs were cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Encoding


@dataclass(frozen=True, slots=True)
class Tokens:
    """A padded batch of b pairs of at most t tokens; each array is int64 of shape `(b, t)`."""

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]


class PairTokenizer:
    """Tokenizes pairs as transformers does for `CrossEncoder.predict`.

    It keeps a copy of the tokenizer for itself: truncation is state of a fast tokenizer, and
    changing it under another user is what makes shared ones fail between threads.

    Args:
        tokenizer: The tokenizer, in the JSON form of its `to_str()`.
        max_length: Most tokens of a pair, special tokens included; the longer text of a pair
            is cut first, so a query that alone is too long is cut as well.
        pad_id: Token id that fills up shorter pairs.
    """

    def __init__(self, tokenizer: str, *, max_length: int, pad_id: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length, strategy="longest_first")
        self._pad_id = pad_id

    def encode(self, pairs: Sequence[tuple[str, str]]) -> "list[Encoding]":
        """One encoding per pair; `was_cut` tells whether it holds the whole pair."""
        try:
            return self._tokenizer.encode_batch_fast(pairs)
        except (TypeError, UnicodeEncodeError):
            # Text with lone surrogates (broken by some extractors) is not valid Unicode.
            return self._tokenizer.encode_batch_fast(
                [(_valid(query), _valid(passage)) for query, passage in pairs]
            )

    def pad(self, encodings: "Sequence[Encoding]") -> Tokens:
        """The encodings as one batch, filled up on the right to the longest."""
        shape = (len(encodings), max(len(encoding) for encoding in encodings))
        tokens = Tokens(
            input_ids=np.full(shape, self._pad_id, dtype=np.int64),
            attention_mask=np.zeros(shape, dtype=np.int64),
            token_type_ids=np.zeros(shape, dtype=np.int64),
        )
        for row, encoding in enumerate(encodings):
            length = len(encoding)
            tokens.input_ids[row, :length] = encoding.ids
            tokens.attention_mask[row, :length] = 1
            tokens.token_type_ids[row, :length] = encoding.type_ids
        return tokens


def was_cut(encoding: "Encoding") -> bool:
    """Whether tokens of the pair were left out."""
    return bool(encoding.overflowing)


def _valid(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
