"""Rewording: questions as people also type them, in keywords, with slips, in words of their own."""

from __future__ import annotations

import re

import numpy as np

_WORD = re.compile(r"[^\W\d_]+")
_FILLERS = frozenset(
    "a an and are as at be by did do does for from how in is it its of on or that the this to was "
    "were what when where which who why will with you your i my can".split()
)


def keywords(query: str, rng: np.random.Generator) -> str:
    """Returns the query's telling words in lower case, now and then in another order."""
    words = [word for word in query.lower().rstrip("?").split() if word not in _FILLERS]
    if rng.random() < 0.3:
        words = [words[int(place)] for place in rng.permutation(len(words))]
    return " ".join(words)


def without_shared_words(query: str, passage: str, rng: np.random.Generator) -> str:
    """Returns the query with about half of the telling words that the passage has left out.

    What remains can only be matched by meaning: word overlap is the short cut that keeps a young
    student from learning it.
    """
    shared = {word.lower() for word in _WORD.findall(passage)} - _FILLERS
    kept = [word for word in query.split() if not (_bare(word) in shared and rng.random() < 0.55)]
    return " ".join(kept)


def misspelt(query: str, rng: np.random.Generator) -> str:
    """Returns the query with one slip in one longer word: a letter lost, doubled or swapped."""
    words = query.split()
    long_ones = [place for place, word in enumerate(words) if len(word) > 4]
    if not long_ones:
        return query
    place = long_ones[int(rng.integers(len(long_ones)))]
    word = words[place]
    letter = int(rng.integers(1, len(word) - 1))
    before, here, after = word[:letter], word[letter], word[letter + 1 :]
    slips = (before + after, before + here + here + after, before + after[0] + here + after[1:])
    words[place] = slips[int(rng.integers(len(slips)))]
    return " ".join(words)


def reworded(query: str, passage: str, rng: np.random.Generator) -> str | None:
    """Returns the query in one of the three ways, or None where too little of it is left."""
    draw = rng.random()
    if draw < 0.55:
        text = without_shared_words(query, passage, rng)
    elif draw < 0.8:
        text = keywords(query, rng)
    else:
        text = misspelt(query, rng)
    telling = [word for word in map(_bare, text.split()) if word and word not in _FILLERS]
    return text if len(telling) >= 2 and text != query else None


def _bare(word: str) -> str:
    return "".join(_WORD.findall(word.lower()))
