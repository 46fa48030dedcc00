"""Where a text that is too long for a model is cut into windows."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.texts.sentences import sentence_spans

Place: TypeAlias = tuple[int, int]
"""A part of a text: its first character, and the one after its last."""

Ends: TypeAlias = NDArray[np.intp]
"""The end of each of a text's t tokens, in characters, ascending, shape `(t,)`."""

_WORD = re.compile(r"\S+")


def window_spans(text: str, ends: Ends, size: int, overlap: int) -> list[Place]:
    """The windows of a text, from its beginning to its end.

    A window is as many whole sentences as it has room for, and starts with the last sentences of
    the window before. Of a sentence that is longer than a window, words take the place of
    sentences, and of such a word tokens.

    Args:
        text: The text.
        ends: Where its tokens end.
        size: The most tokens of a window.
        overlap: The most tokens that a window repeats of the one before.
    """
    units: Iterable[Place] = sentence_spans(text)
    for split in (partial(_words, text), partial(_pieces, ends, size)):
        units = _with_long_ones_split(list(units), ends, size, split)
    parts = np.array(list(units), dtype=np.intp).reshape(-1, 2)
    starts, stops = np.searchsorted(ends, parts, side="right").T  # counted in tokens
    spans: list[Place] = []
    first = 0
    while first < len(parts):
        last = max(first, int(np.searchsorted(stops, starts[first] + size, side="right")) - 1)
        spans.append((int(parts[first, 0]), int(parts[last, 1])))
        if last + 1 == len(parts):
            break
        # The next window goes on with the next part, whatever it repeats.
        earliest = max(stops[last] - overlap, stops[last + 1] - size)
        first = min(int(np.searchsorted(starts, earliest)), last + 1)
    return spans


def _with_long_ones_split(
    units: list[Place], ends: Ends, size: int, split: Callable[[int, int], Iterable[Place]]
) -> Iterable[Place]:
    """The units, with the parts of each one that has more tokens than a window in its place."""
    places = np.array(units, dtype=np.intp).reshape(-1, 2)
    counts = np.diff(np.searchsorted(ends, places, side="right"))[:, 0]
    for unit, count in zip(units, counts.tolist(), strict=True):
        yield from [unit] if count <= size else split(*unit)


def _words(text: str, start: int, end: int) -> Iterable[Place]:
    return (word.span() for word in _WORD.finditer(text, start, end))


def _pieces(ends: Ends, size: int, start: int, end: int) -> Iterable[Place]:
    """A word in pieces of so many tokens; tokens that end with the same character stay together."""
    first, last = np.searchsorted(ends, (start, end), side="right").tolist()
    cuts = sorted({start, *ends[first + size - 1 : last : size].tolist(), end})
    return pairwise(cuts)
