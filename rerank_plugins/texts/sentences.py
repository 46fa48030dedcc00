"""Where the sentences of a text start and end."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

_LANGUAGE = "en"
"""Whose abbreviations end no sentence, since nobody says which language a text has. Marks that end
a sentence in any script do so in every language."""

_PIECE = 2_000
"""Characters given to the library at once: its time grows with the square of a paragraph's length
where a character has several bytes."""

_LONG = 500
"""Characters of the longest piece: as many as four sentences of prose have."""

_BLANK_LINE = re.compile(r"\n\s*\n")

_LINE_END, _SPACE = re.compile(r"[\r\n]"), re.compile(r"\s")

_SURROGATE = re.compile("[\ud800-\udfff]")

_SPACE_BEFORE_POINT = re.compile(r"[^\S\x00-\x7f](?=\.)")


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yields the first character of each sentence, and the one after its last.

    White space is in none.

    A text in which no sentence ends is one sentence, however long. A text of white space has none.
    """
    from sentencex import get_sentence_boundaries

    # Half a surrogate pair is no text that the library takes, and behind a capital letter it panics
    # at a space of several bytes before a point. What replaces them is as long.
    text = _SPACE_BEFORE_POINT.sub(" ", _SURROGATE.sub("\ufffd", text))
    start, size = 0, _PIECE
    while start < len(text):
        piece = text[start : start + size]
        found = get_sentence_boundaries(_LANGUAGE, piece)
        if start + size < len(text):
            if len(found) < 2:
                size *= 2
                continue
            del found[-1:]  # the end of the piece may not be that of a sentence
        for sentence in found:
            first, last = _trimmed(
                text, start + sentence["start_index"], start + sentence["end_index"]
            )
            if first < last:
                yield first, last
        start, size = start + found[-1]["end_index"], _PIECE


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    sentence = text[start:end]
    start += len(sentence) - len(sentence.lstrip())
    return start, start + len(sentence.strip())


def short_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yields `sentence_spans`, with code, tables and other long sentences cut into pieces.

    A piece has at most 500 characters, and ends where a line ends, or else a word.
    """
    for sentence in sentence_spans(text):
        yield from _pieces(text, *sentence)


def in_one_paragraph(text: str, spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether there is no blank line between each span and the next: n - 1 values for n spans."""
    return [not _BLANK_LINE.search(text, end, start) for (_, end), (start, _) in pairwise(spans)]


def _last(pattern: re.Pattern[str], text: str, start: int, end: int) -> int | None:
    """Where the last match behind the first character begins."""
    return max((found.start() for found in pattern.finditer(text, start + 1, end)), default=None)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > _LONG:
        most = start + _LONG
        cut = _last(_LINE_END, text, start, most) or _last(_SPACE, text, start, most) or most
        yield _trimmed(text, start, cut)
        start, _ = _trimmed(text, cut, end)
    yield start, end
