"""Pairs of texts to token ids with a fast tokenizer; says which pairs were cut."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PairTokens:
    """One pair of t tokens: what the model reads of the tokenizer's much larger `Encoding`.

    Attributes:
        input_ids: int32, shape `(t,)`.
        type_ids: int32, shape `(t,)`: 0 for the query, 1 for the passage, in most models.
        truncated: Whether tokens of the pair were left out.
    """

    input_ids: NDArray[np.int32]
    type_ids: NDArray[np.int32]
    truncated: bool

    def __len__(self) -> int:
        return len(self.input_ids)


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
    """

    def __init__(self, tokenizer: str, *, max_length: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length, strategy="longest_first")

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[PairTokens]:
        """The tokens of each pair."""
        try:
            encodings = self._tokenizer.encode_batch_fast(pairs)
        except (TypeError, UnicodeEncodeError):
            # Text with lone surrogates (broken by some extractors) is not valid Unicode.
            encodings = self._tokenizer.encode_batch_fast(
                [(_valid(query), _valid(passage)) for query, passage in pairs]
            )
        return [
            PairTokens(
                input_ids=np.array(encoding.ids, dtype=np.int32),
                type_ids=np.array(encoding.type_ids, dtype=np.int32),
                truncated=bool(encoding.overflowing),
            )
            for encoding in encodings
        ]


def pad(pairs: Sequence[PairTokens], pad_id: int) -> Tokens:
    """The pairs as one batch, filled up on the right with `pad_id` to the longest."""
    shape = (len(pairs), max(map(len, pairs)))
    tokens = Tokens(
        input_ids=np.full(shape, pad_id, dtype=np.int64),
        attention_mask=np.zeros(shape, dtype=np.int64),
        token_type_ids=np.zeros(shape, dtype=np.int64),
    )
    for row, pair in enumerate(pairs):
        length = len(pair)
        tokens.input_ids[row, :length] = pair.input_ids
        tokens.attention_mask[row, :length] = 1
        tokens.token_type_ids[row, :length] = pair.type_ids
    return tokens


def _valid(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
