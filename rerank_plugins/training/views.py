"""Views: one source of pairs seen at several lengths.

A reranker meets sentences and pages, keywords and paragraphs. Each view turns the same pairs into a
collection of another shape:

- ``passages``: questions against the passages as they are;
- ``windows``: questions against runs of one to four sentences; the teacher later picks the window
  that answers;
- ``joined``: questions against neighbouring passages joined into a page;
- ``leads``: the opening sentences of a passage as a long query, the rest as its passage;
- ``keywords``: a few rare words of a passage as the query.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rerank_plugins.training.pairs import Pair

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_BLOCK = 40
_WINDOW_WORDS = 80
_PAGE_WORDS = 260
_LEAD_WORDS = (20, 80)
_REST_WORDS = 25


@dataclass(frozen=True)
class Collection:
    """Questions and the passages they are asked of.

    Attributes:
        golds: For each query the passages that hold its answer; more than one where the teacher
            is to choose.
    """

    queries: list[str]
    golds: list[tuple[int, ...]]
    passages: list[str]


def build_view(
    kind: str, pairs: Sequence[Pair], questions: int, rng: np.random.Generator
) -> Collection:
    """Returns a collection of about ``questions`` questions in the shape of ``kind``.

    Whole runs of neighbouring passages are taken, so that each keeps company that is hard to tell
    from it.
    """
    pairs = _sample_runs(pairs, questions, rng)
    return _BUILDERS[kind](pairs, rng)


def _sample_runs(pairs: Sequence[Pair], questions: int, rng: np.random.Generator) -> list[Pair]:
    position = {
        passage: index
        for index, passage in enumerate(dict.fromkeys(pair.passage for pair in pairs))
    }
    blocks: dict[int, list[Pair]] = {}
    for pair in pairs:
        blocks.setdefault(position[pair.passage] // _BLOCK, []).append(pair)
    taken: list[Pair] = []
    for block in rng.permutation(sorted(blocks)):
        taken.extend(blocks[int(block)])
        if len(taken) >= questions:
            break
    return taken[:questions]


def _passages(pairs: Sequence[Pair], rng: np.random.Generator) -> Collection:
    return _collect(pairs, {pair.passage: [pair.passage] for pair in pairs})


def _windows(pairs: Sequence[Pair], rng: np.random.Generator) -> Collection:
    pieces = {}
    for passage in dict.fromkeys(pair.passage for pair in pairs):
        pieces[passage] = _cut_windows(passage, rng)
    return _collect(pairs, pieces)


def _joined(pairs: Sequence[Pair], rng: np.random.Generator) -> Collection:
    pieces: dict[str, list[str]] = {}
    run: list[str] = []

    def close_run() -> None:
        page = " ".join(run)
        pieces.update((passage, [page]) for passage in run)
        run.clear()

    for passage in dict.fromkeys(pair.passage for pair in pairs):
        words = sum(len(part.split()) for part in (*run, passage))
        if run and words > _PAGE_WORDS:
            close_run()
        run.append(passage)
    close_run()
    return _collect(pairs, pieces)


def _leads(pairs: Sequence[Pair], rng: np.random.Generator) -> Collection:
    weak = []
    for passage in dict.fromkeys(pair.passage for pair in pairs):
        wanted = int(rng.integers(*_LEAD_WORDS))
        lead: list[str] = []
        sentences = _SENTENCE_END.split(passage)
        while sentences and len(" ".join(lead).split()) < wanted:
            lead.append(sentences.pop(0))
        rest = " ".join(sentences)
        if lead and len(rest.split()) >= _REST_WORDS:
            weak.append(Pair(" ".join(lead), rest))
    return _passages(weak, rng)


def _keywords(pairs: Sequence[Pair], rng: np.random.Generator) -> Collection:
    passages = list(dict.fromkeys(pair.passage for pair in pairs))
    words = [list(dict.fromkeys(_WORD.findall(passage.lower()))) for passage in passages]
    spread = Counter(word for found in words for word in found)
    weak = []
    for passage, found in zip(passages, words, strict=True):
        rare = sorted(found, key=lambda word: (spread[word], word))[:20]
        weights = np.array([math.log1p(len(passages) / spread[word]) for word in rare])
        if len(rare) >= 3:
            count = min(int(rng.integers(3, 9)), len(rare))
            chosen = set(
                rng.choice(len(rare), size=count, replace=False, p=weights / weights.sum())
            )
            kept = {rare[int(index)] for index in chosen}
            weak.append(Pair(" ".join(word for word in found if word in kept), passage))
    return _passages(weak, rng)


def _cut_windows(passage: str, rng: np.random.Generator) -> list[str]:
    windows: list[str] = []
    sentences = [part for sentence in _SENTENCE_END.split(passage) for part in _cut_words(sentence)]
    while sentences:
        size = int(rng.integers(1, 5))
        window, sentences = sentences[:size], sentences[size:]
        windows.append(" ".join(window))
    return windows


def _cut_words(sentence: str) -> list[str]:
    words = sentence.split()
    return [
        " ".join(words[start : start + _WINDOW_WORDS])
        for start in range(0, len(words), _WINDOW_WORDS)
    ]


def _collect(pairs: Sequence[Pair], pieces: dict[str, list[str]]) -> Collection:
    passages = {
        text: index
        for index, text in enumerate(dict.fromkeys(p for ps in pieces.values() for p in ps))
    }
    golds: dict[str, dict[int, None]] = {}
    for pair in pairs:
        golds.setdefault(pair.query, {}).update(
            (passages[piece], None) for piece in pieces[pair.passage]
        )
    return Collection(list(golds), [tuple(found) for found in golds.values()], list(passages))


_BUILDERS: dict[str, Callable[[Sequence[Pair], np.random.Generator], Collection]] = {
    "passages": _passages,
    "windows": _windows,
    "joined": _joined,
    "leads": _leads,
    "keywords": _keywords,
}
