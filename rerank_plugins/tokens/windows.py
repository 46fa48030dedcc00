"""Pairs that are longer than a model reads, as pairs of the query with windows of the passage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from rerank_plugins.texts.passage import Passage
from rerank_plugins.texts.windows import Ends, Place, window_spans
from rerank_plugins.tokens.pairs import CHARACTERS

ALL_WINDOWS = slice(None)


class Encoded(Protocol):
    """An encoded pair."""

    @property
    def truncated(self) -> bool:
        """Whether something of the pair is left out."""


_Encoded = TypeVar("_Encoded", bound=Encoded, covariant=True)


class Encoder(Protocol[_Encoded]):
    """Makes pairs into what a model reads, such as a `PairTokenizer`."""

    @property
    def room(self) -> int:
        """The most tokens that the texts of a pair have together."""

    def length(self, text: str) -> int:
        """How many tokens a text has alone; if it has more than a pair, at least one more."""

    def head(self, text: str, characters: int) -> str:
        """The longest beginning of a text within a limit whose tokens are its first tokens.

        The whole text if it is shorter or must stay whole; `""` if it cannot be cut.
        """

    def ends(self, text: str) -> Ends:
        """The end of each of a text's tokens."""

    def encode(self, pairs: Sequence[tuple[str, str]]) -> Sequence[_Encoded]:
        """Each pair, encoded."""


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How long passages are cut.

    Attributes:
        tokens: The most tokens of a window; `None` is as many as fit beside query and header.
        overlap: The most tokens that a window repeats of the one before; `None` is a quarter.
        most: The most windows of a passage.
    """

    tokens: int | None
    overlap: int | None
    most: int


@dataclass(frozen=True, slots=True)
class Windowed(Generic[_Encoded]):
    """A pair in one or more windows.

    Attributes:
        spans: Where they are in the text of the passage.
        tokens: The query with each of them, encoded.
        truncated: Whether something of the pair is in none of them, nor in a window before them.
        more: Whether there are windows behind them that may be asked for.
    """

    spans: Sequence[Place]
    tokens: Sequence[_Encoded]
    truncated: bool = False
    more: bool = False


def encode_windows(
    tokenizer: Encoder[_Encoded],
    pairs: Sequence[tuple[str, str]],
    settings: WindowSettings,
    which: slice = ALL_WINDOWS,
) -> list[Windowed[_Encoded]]:
    """Each pair as it is, if the model reads it whole, or else with windows of its passage.

    Args:
        tokenizer: Encodes pairs.
        pairs: The pairs.
        settings: How passages are cut.
        which: The windows that are asked for; a pair as it is counts as a first window.
    """
    return [
        _cut(tokenizer, query, Passage.of(passage), settings, which)
        if tokens.truncated
        else Windowed([(0, len(Passage.of(passage).text))][which], [tokens][which])
        for (query, passage), tokens in zip(pairs, tokenizer.encode(pairs), strict=True)
    ]


def _cut(
    tokenizer: Encoder[_Encoded],
    query: str,
    passage: Passage,
    settings: WindowSettings,
    which: slice,
) -> Windowed[_Encoded]:
    """A pair with windows of its passage.

    Windows are cut by the tokens of the whole text. A window alone may have some more, if words are
    not tokenized alike at the beginning of a text: all are then cut again a little shorter.
    """
    half = tokenizer.room // 2  # a longer query is cut, as in a pair that is not in windows
    left = tokenizer.room - min(tokenizer.length(query), half)
    framed = _with_short_frame(tokenizer, passage, left // 2)
    size = left - tokenizer.length(framed.header) - tokenizer.length(framed.footer)
    size = min(size, settings.tokens or size)
    most = settings.most if which.stop is None else min(which.stop, settings.most)
    while True:
        spans = _spans(tokenizer, passage.text, size, settings.overlap, most)
        shown = spans[:most]
        tokens = tokenizer.encode([(query, framed.part(*span)) for span in shown])
        cut = any(each.truncated for each in tokens)
        if not cut or left == tokenizer.room - half or size == 1:
            break
        size -= 1 + size // 16
    behind = len(spans) > most
    truncated = cut or behind or framed != passage
    return Windowed(shown[which], tokens[which], truncated, behind and most < settings.most)


def _with_short_frame(tokenizer: Encoder[Any], passage: Passage, most: int) -> Passage:
    """The passage with at most so many tokens of its header and footer together."""
    footer = _beginning(tokenizer, passage.footer, most // 2)
    header = _beginning(tokenizer, passage.header, most - tokenizer.length(footer))
    return Passage(passage.text, header, footer)


def _beginning(tokenizer: Encoder[Any], text: str, most: int) -> str:
    if tokenizer.length(text) <= most:
        return text
    if not most:
        return ""
    characters = CHARACTERS * most
    while len(ends := tokenizer.ends(tokenizer.head(text, characters))) < most:
        characters *= 2
    return text[: ends[most - 1]]


def _spans(
    tokenizer: Encoder[Any], text: str, size: int, overlap: int | None, most: int
) -> list[Place]:
    """The windows of a text; of a text with more than `most` of them, at least one more.

    No more of the text is read than that needs. The last two windows of what was read may be others
    than those of the whole text.
    """
    repeated = size // 4 if overlap is None else min(overlap, size // 2)
    characters = CHARACTERS * size * (most + 1)
    while True:
        part = tokenizer.head(text, characters)
        spans = window_spans(part, tokenizer.ends(part), size, repeated)
        if len(part) == len(text) or len(spans) > most + 1:
            return spans or [(0, len(text))]
        characters *= 2
