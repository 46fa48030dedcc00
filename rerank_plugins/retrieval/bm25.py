"""BM25 over texts in memory, by bm25s: the first stage of demo, fine-tuning and evaluation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.process.extras import require

WORDS = "it looks for words between spaces and leaves out English stop words"
"""The explanation in messages when BM25 finds nothing."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A found text: its position among the texts and its BM25 score."""

    index: int
    score: float


class Bm25Search:
    """BM25 with k1 0.9 and b 0.4, the usual setting for passages (Anserini's default).

    Words are lower-cased, and English stop words are left out.

    Args:
        texts: n texts to search.
        stem: Whether to reduce words to their English stems.

    Raises:
        MissingExtraError: bm25s is not installed, or `stem` is set and PyStemmer is not.
    """

    def __init__(self, texts: Sequence[str], *, stem: bool = False) -> None:
        self._bm25s = require("bm25s", extra="cli", purpose="BM25")
        self._stemmer: Any = None
        if stem:
            module = require("Stemmer", extra="eval", purpose="BM25 over word stems")
            self._stemmer = module.Stemmer("english")
        self._index = self._bm25s.BM25(k1=0.9, b=0.4)
        self._size = len(texts)
        words = self._words(texts)
        self._has_words = any(words)
        if self._has_words:  # bm25s cannot index texts without words
            self._index.index(words, show_progress=False)

    def scores(self, query: str) -> NDArray[np.float32]:
        """The score of each text, float32 `(n,)`; 0 for a text without a word of the query."""
        vocabulary = self._index.vocab_dict if self._has_words else {}
        known = [word for word in self._words([query])[0] if word in vocabulary]
        if not known:
            return np.zeros(self._size, dtype=np.float32)
        scores: NDArray[np.float32] = self._index.get_scores(known)
        return scores

    def search(self, query: str, depth: int) -> list[Hit]:
        """The best texts that share a word with a query, best first."""
        scores = self.scores(query)
        best = np.argsort(-scores, kind="stable")[:depth]
        return [Hit(int(index), float(scores[index])) for index in best if scores[index] > 0]

    def is_lost(self, queries: Collection[str]) -> bool:
        """Whether the texts have no words, or none of several queries shares one with them."""
        if not self._has_words:
            return True
        return len(queries) > 1 and not any(self.scores(query).any() for query in queries)

    def _words(self, texts: Sequence[str]) -> list[list[str]]:
        words: list[list[str]] = self._bm25s.tokenize(
            list(texts),
            stopwords="en",
            stemmer=self._stemmer,
            return_ids=False,
            show_progress=False,
        )
        return words
