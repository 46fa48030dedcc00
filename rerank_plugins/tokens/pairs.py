"""Pairs of texts to token ids with a fast tokenizer; says which pairs were cut."""

import sys
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.tokens.beginnings import head, where_to_cut
from rerank_plugins.tokens.frame import Frame, Ids, token_ids

_Ids = TypeVar("_Ids", Ids, list[int])

KEPT_BYTES = 10_000_000
"""The most memory for kept passages, their texts and token ids together."""

_ENTRY_BYTES = 250
"""Memory that Python's objects take for one kept passage, besides its text and ids."""

CHARACTERS = 8
"""Characters read per wanted token at first: more than words have in most languages."""

_KEPT_TYPES = 1024
"""How many pairs of lengths have their type ids kept: at most 2 MB if a model reads 512 tokens."""


@dataclass(frozen=True, slots=True)
class PairTokens:
    """One pair of t tokens: the part of the tokenizer's much larger `Encoding` that a model reads.

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
class _Text:
    """A text alone, without special tokens.

    Attributes:
        ids: Its first token ids, as many as a pair can hold.
        length: How many tokens it has, or at least has if it was not read to its end.
        whole: Whether it was read to its end.
        size: How many bytes it takes to keep it.
    """

    ids: Ids
    length: int
    whole: bool
    size: int


class PairTokenizer:
    """Tokenizes pairs as transformers does for `CrossEncoder.predict`.

    Pairs are joined and cut from the token ids of their texts. A query is tokenized once for all of
    its passages, and the ids of recent passages are kept. Only as much of a long text is tokenized
    as a pair can hold.

    It has a copy of the tokenizer, because truncation is part of a fast tokenizer's state and must
    not change while another user tokenizes. One thread at a time may use it.

    Args:
        tokenizer: The tokenizer, in the JSON form of its `to_str()`.
        max_length: The most tokens of a pair, special tokens included. The longer text of a pair
            is cut first, so a query that is too long by itself is cut as well.
        from_left: Whether a text that is too long loses its beginning, and not its end.
        kept_bytes: The most memory for kept passages; those unused for longest are dropped first.
    """

    def __init__(
        self,
        tokenizer: str,
        *,
        max_length: int,
        from_left: bool = False,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._frame = Frame.of(self._tokenizer)
        if self._frame is not None:
            # Pairs of equal lengths have equal type ids, and looking them up is faster.
            self._type_ids = lru_cache(_KEPT_TYPES)(self._frame.type_ids)
        self._max_length = max_length
        self._from_left = from_left
        self._cut = None if from_left else where_to_cut(self._tokenizer)
        self._room = max_length - self._special_tokens()
        self._kept_bytes = kept_bytes
        self._now_kept = 0
        self._passages: OrderedDict[str, _Text] = OrderedDict()

    @property
    def room(self) -> int:
        """The most tokens that the texts of a pair have together."""
        return self._room

    def length(self, text: str) -> int:
        """How many tokens a text has alone; if it has more than a pair, at least one more."""
        return self._encode_texts([text], self._max_length)[text].length

    def head(self, text: str, characters: int) -> str:
        """The longest beginning of a text within a limit whose tokens are its first tokens.

        The whole text if it is shorter or must stay whole; `""` if it cannot be cut.
        """
        return head(text, characters, self._cut)

    def ends(self, text: str) -> NDArray[np.intp]:
        """The end of each of a text's t tokens, in characters, ascending, shape `(t,)`."""
        encode = partial(self._tokenizer.encode, add_special_tokens=False)
        try:
            encoding = encode(text)
        except (TypeError, UnicodeEncodeError):
            encoding = encode(valid_text(text))
        return np.maximum.accumulate([end for _, end in encoding.offsets], dtype=np.intp)

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[PairTokens]:
        """The tokens of each pair."""
        if self._frame is None:
            return self._encode_whole(pairs)
        queries = self._encode_texts({query for query, _ in pairs}, self._max_length)
        wanted = {passage for _, passage in pairs}
        passages = {text: self._passages[text] for text in wanted if text in self._passages}
        passages |= self._encode_texts(wanted - passages.keys(), self._max_length)
        if self._room % 2:  # the longer text gets the odd place
            self._read_on(pairs, queries, passages)
        self._keep(passages)
        return [
            self._join(self._frame, queries[query], passages[passage]) for query, passage in pairs
        ]

    def _join(self, frame: Frame, query: _Text, passage: _Text) -> PairTokens:
        first, second = kept_lengths(query.length, passage.length, self._room)
        return PairTokens(
            input_ids=frame.ids(self._part(query.ids, first), self._part(passage.ids, second)),
            type_ids=self._type_ids(first, second),
            truncated=first + second < query.length + passage.length,
        )

    def _part(self, ids: _Ids, most: int) -> _Ids:
        """What stays of a text's tokens."""
        return ids[max(0, len(ids) - most) :] if self._from_left else ids[:most]

    def _read_on(
        self,
        pairs: Sequence[tuple[str, str]],
        queries: dict[str, _Text],
        passages: dict[str, _Text],
    ) -> None:
        """Reads texts further, for all pairs at once, until it is known which text is longer."""
        enough = self._max_length
        while left := [
            (query, passage)
            for query, passage in pairs
            if not min(queries[query], passages[passage], key=_length_and_end).whole
        ]:
            enough *= 2
            for place, known in enumerate((queries, passages)):
                texts = {pair[place] for pair in left}
                short = {t for t in texts if not known[t].whole and known[t].length <= enough}
                known.update(self._encode_texts(short, enough))

    def _keep(self, passages: dict[str, _Text]) -> None:
        """Keeps the ids of passages as the ones used last, and drops older ones to make room."""
        for text, found in passages.items():
            before = self._passages.get(text)
            self._now_kept += found.size - (before.size if before else 0)
            self._passages[text] = found
            self._passages.move_to_end(text)
        while self._now_kept > self._kept_bytes:
            self._now_kept -= self._passages.popitem(last=False)[1].size

    def _encode_texts(self, texts: Collection[str], enough: int) -> dict[str, _Text]:
        """Tokenizes each text alone, to its end or until it has more than `enough` tokens."""
        found: dict[str, _Text] = {}
        characters = CHARACTERS * enough
        while left := [text for text in texts if text not in found]:
            parts = [self.head(text, characters) for text in left]
            encodings = self._encodings([(part,) for part in parts], special=False)
            for text, part, encoding in zip(left, parts, encodings, strict=True):
                whole = len(part) == len(text)
                if whole or len(encoding) > enough:
                    ids = token_ids(self._part(encoding.ids, self._max_length))
                    size = sys.getsizeof(text) + ids.nbytes + _ENTRY_BYTES
                    found[text] = _Text(ids, len(encoding), whole, size)
            characters *= 2
        return found

    def _encode_whole(self, pairs: Sequence[tuple[str, str]]) -> list[PairTokens]:
        """The tokens of each pair, joined and cut by the tokenizer itself."""
        side = "left" if self._from_left else "right"
        self._tokenizer.enable_truncation(
            self._max_length, strategy="longest_first", direction=side
        )
        try:
            return [
                PairTokens(
                    input_ids=token_ids(encoding.ids),
                    type_ids=token_ids(encoding.type_ids),
                    truncated=bool(encoding.overflowing),
                )
                for encoding in self._encodings(pairs, special=True)
            ]
        finally:
            self._tokenizer.no_truncation()

    def _special_tokens(self) -> int:
        """How many tokens a pair has besides those of its texts."""
        if self._frame is not None:
            return len(self._frame)
        pair = self._tokenizer.encode("a", "b")
        texts = self._encodings([("a",), ("b",)], special=False)
        return len(pair) - sum(map(len, texts))

    def _encodings(self, inputs: Sequence[tuple[str, ...]], *, special: bool) -> list[Any]:
        """The tokenizer's own encodings of tuples of one text or two."""

        def encode(given: Sequence[tuple[str, ...]]) -> list[Any]:
            batch = [texts if len(texts) > 1 else texts[0] for texts in given]
            return self._tokenizer.encode_batch_fast(batch, add_special_tokens=special)

        try:
            return encode(inputs)
        except (TypeError, UnicodeEncodeError):
            # Text with lone surrogates (broken by some extractors) is not valid Unicode.
            return encode([tuple(map(valid_text, texts)) for texts in inputs])


def _length_and_end(text: _Text) -> tuple[int, bool]:
    """Sorting key by length; of two texts read equally far, one that goes on comes first."""
    return text.length, text.whole


def kept_lengths(query: int, passage: int, room: int) -> tuple[int, int]:
    """How many tokens of each text stay if there is room for `room`: the longer text is cut first.

    The rule of the `tokenizers` library's strategy `longest_first`.
    """
    if query + passage <= room:
        return query, passage
    short = min(query, passage, room // 2)
    kept = short, room - short
    return kept if query <= passage else kept[::-1]


def valid_text(text: str) -> str:
    """The text with question marks in place of invalid Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")
