"""The special tokens around a pair, so that two texts encoded apart can be joined."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Ids = NDArray[np.int32]

_PROBES = (("a", "b c"), ("d e f", "g"))


@dataclass(frozen=True, slots=True)
class Frame:
    """The special tokens before, between and behind the texts of a pair, and all types of tokens.

    Attributes:
        before: Token ids in front of the query, int32 `(n,)`.
        between: Token ids between query and passage.
        behind: Token ids after the passage.
        types: The token type of each part: before, query, between, passage, behind.
    """

    before: Ids
    between: Ids
    behind: Ids
    types: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.before) + len(self.between) + len(self.behind)

    @staticmethod
    def of(tokenizer: "Tokenizer") -> "Frame | None":
        """The frame that a tokenizer puts around every pair; `None` if the frame is not fixed."""
        query, passage = _PROBES[0]
        pair = tokenizer.encode(query, passage)
        first, second = (
            len(tokenizer.encode(text, add_special_tokens=False)) for text in (query, passage)
        )
        for frame in _splits(pair, first, second) if first and second else ():
            if all(frame._makes(tokenizer, *probe) for probe in _PROBES):
                return frame
        return None

    def ids(self, query: Ids, passage: Ids) -> Ids:
        """Token ids of the pair, int32 `(t,)`."""
        return np.concatenate((self.before, query, self.between, passage, self.behind))

    def type_ids(self, query: int, passage: int) -> Ids:
        """Token types of a pair whose texts have these lengths, int32 `(t,)`."""
        lengths = (len(self.before), query, len(self.between), passage, len(self.behind))
        return np.repeat(np.array(self.types, dtype=np.int32), lengths)

    def _makes(self, tokenizer: "Tokenizer", query: str, passage: str) -> bool:
        pair = tokenizer.encode(query, passage)
        first, second = (
            token_ids(tokenizer.encode(text, add_special_tokens=False).ids)
            for text in (query, passage)
        )
        ids, types = self.ids(first, second), self.type_ids(len(first), len(second))
        return bool(ids.tolist() == pair.ids and types.tolist() == pair.type_ids)


def token_ids(ids: Sequence[int]) -> Ids:
    """A tokenizer's ids as an array, int32 `(t,)`."""
    return np.array(ids, dtype=np.int32)


def _splits(pair: "Encoding", query: int, passage: int) -> Iterator[Frame]:
    """Every way to divide an encoded pair into two texts and the special tokens around them."""
    ids, types = token_ids(pair.ids), pair.type_ids
    special = len(ids) - query - passage
    for before in range(special + 1):
        for between in range(special - before + 1):
            start, end = before + query, before + query + between
            edges = (0, before, start, end, end + passage)
            yield Frame(
                ids[:before],
                ids[start:end],
                ids[end + passage :],
                tuple(types[min(edge, len(types) - 1)] for edge in edges),
            )
