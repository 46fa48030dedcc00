"""Views: the same sources of pairs seen at several lengths and in several tones.

A reranker meets sentences and pages, keywords and paragraphs. Each view turns the same pairs into a
collection of another shape:

- `passages`: questions against the passages as they are;
- `windows`: questions against runs of one to four sentences; the teacher later picks the window
  that answers;
- `joined`: questions against neighbouring passages joined into a page;
- `leads`: the opening sentences of a passage as a long query, the rest as its passage;
- `keywords`: a few rare words of a passage as the query;
- `reworded`: questions as keywords, with slips, or without the words that the passage has,
  against the same windows;
- `sentences`: any sentence against the windows of all other passages. There is no label, the
  teacher alone says which of them mean the same;
- `questions`: the questions against all other questions, without a label either.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from embedded_model.questions.rewording import reworded
from embedded_model.sources.pairs import Pair

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
        labelled: Whether a query asks for its golds. Otherwise it was taken from them, and they
            are left out of what it is compared with.
    """

    queries: list[str]
    golds: list[tuple[int, ...]]
    passages: list[str]
    labelled: bool = True


def build_view(
    kind: str, pairs: Sequence[Pair], questions: int, rng: np.random.Generator
) -> Collection:
    """Returns a collection of about `questions` questions in the shape of `kind`.

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


def _reworded(pairs: Sequence[Pair], rng: np.random.Generator) -> Collection:
    texts = [(pair, reworded(pair.query, pair.passage, rng)) for pair in pairs]
    return _windows([Pair(text, pair.passage) for pair, text in texts if text], rng)


def _sentences(pairs: Sequence[Pair], rng: np.random.Generator) -> Collection:
    pieces: dict[str, list[str]] = {}
    asked = []
    for passage in dict.fromkeys(pair.passage for pair in pairs):
        pieces[passage] = _cut_windows(passage, rng)
        sentences = [s for s in _SENTENCE_END.split(passage) if 5 <= len(s.split()) <= 40]
        if sentences:
            sentence = sentences[int(rng.integers(len(sentences)))]
            if rng.random() < 0.4:
                sentence = sentence.lower().rstrip(".")
            asked.append(Pair(sentence, passage))
    return replace(_collect(asked, pieces), labelled=False)


def _questions(pairs: Sequence[Pair], rng: np.random.Generator) -> Collection:
    asked = dict.fromkeys(pair.query for pair in pairs)
    itself = [Pair(query, query) for query in asked]
    return replace(_collect(itself, {query: [query] for query in asked}), labelled=False)


def merge(collections: Sequence[Collection]) -> Collection:
    """Returns one collection with the queries and the passages of several of the same view."""
    places: dict[str, int] = {}
    golds: dict[str, dict[int, None]] = {}
    for collection in collections:
        numbers = [places.setdefault(text, len(places)) for text in collection.passages]
        for query, found in zip(collection.queries, collection.golds, strict=True):
            golds.setdefault(query, {}).update((numbers[number], None) for number in found)
    labelled = all(collection.labelled for collection in collections)
    return Collection(
        list(golds), [tuple(found) for found in golds.values()], list(places), labelled
    )


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
    "reworded": _reworded,
    "sentences": _sentences,
    "questions": _questions,
}
