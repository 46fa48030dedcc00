"""Pairs that are longer than a model reads, as pairs of the query with windows of the passage."""

from collections.abc import Sequence
from dataclasses import dataclass

from rerank_plugins.texts.passage import Passage
from rerank_plugins.texts.windows import Place, window_spans
from rerank_plugins.tokens.pairs import CHARACTERS, PairTokenizer, PairTokens


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
class Windowed:
    """A pair in one or more windows.

    Attributes:
        spans: Where they are in the text of the passage.
        tokens: The query with each of them, tokenized.
        truncated: Whether something of the pair is in none of them.
    """

    spans: Sequence[Place]
    tokens: Sequence[PairTokens]
    truncated: bool = False


def encode_windows(
    tokenizer: PairTokenizer, pairs: Sequence[tuple[str, str]], settings: WindowSettings
) -> list[Windowed]:
    """Each pair as it is, if the model reads it whole, or else with windows of its passage."""
    return [
        _cut(tokenizer, query, Passage.of(passage), settings)
        if tokens.truncated
        else Windowed([(0, len(Passage.of(passage).text))], [tokens])
        for (query, passage), tokens in zip(pairs, tokenizer.encode(pairs), strict=True)
    ]


def _cut(
    tokenizer: PairTokenizer, query: str, passage: Passage, settings: WindowSettings
) -> Windowed:
    """A pair with windows of its passage.

    Windows are cut by the tokens of the whole text. A window alone may have some more, if words are
    not tokenized alike at the beginning of a text: all are then cut again a little shorter.
    """
    half = tokenizer.room // 2  # a longer query is cut, as in a pair that is not in windows
    left = tokenizer.room - min(tokenizer.length(query), half)
    framed = _with_short_frame(tokenizer, passage, left // 2)
    size = left - tokenizer.length(framed.header) - tokenizer.length(framed.footer)
    size = min(size, settings.tokens or size)
    while True:
        spans = _spans(tokenizer, passage.text, size, settings)
        shown = spans[: settings.most]
        tokens = tokenizer.encode([(query, framed.part(*span)) for span in shown])
        cut = any(each.truncated for each in tokens)
        if not cut or left == tokenizer.room - half or size == 1:
            break
        size -= 1 + size // 16
    return Windowed(shown, tokens, cut or len(spans) > len(shown) or framed != passage)


def _with_short_frame(tokenizer: PairTokenizer, passage: Passage, most: int) -> Passage:
    """The passage with at most so many tokens of its header and footer together."""
    footer = _beginning(tokenizer, passage.footer, most // 2)
    header = _beginning(tokenizer, passage.header, most - tokenizer.length(footer))
    return Passage(passage.text, header, footer)


def _beginning(tokenizer: PairTokenizer, text: str, most: int) -> str:
    if tokenizer.length(text) <= most:
        return text
    ends = tokenizer.ends(text[: CHARACTERS * tokenizer.room])
    return text[: ends[most - 1]] if most else ""


def _spans(tokenizer: PairTokenizer, text: str, size: int, settings: WindowSettings) -> list[Place]:
    """The windows of a text; of a text with more than `most` of them, at least one more.

    No more of the text is read than that needs.
    """
    overlap = size // 4 if settings.overlap is None else min(settings.overlap, size // 2)
    characters = CHARACTERS * size * settings.most
    while True:
        part = text[:characters]
        spans = window_spans(part, tokenizer.ends(part), size, overlap)
        if len(part) == len(text) or len(spans) > settings.most:
            return spans or [(0, len(text))]
        characters *= 2
