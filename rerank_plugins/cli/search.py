"""The demo's first stage: BM25 over texts held in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rerank_plugins._extras import require


@dataclass(frozen=True, slots=True)
class Hit:
    """A text that the first stage found: its position among the texts, and its BM25 score."""

    index: int
    score: float


class Bm25Search:
    """BM25 with k1 0.9 and b 0.4 over lower-cased words, English stop words left out.

    Args:
        texts: What to search.

    Raises:
        MissingExtraError: bm25s is not installed.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._bm25s = require("bm25s", extra="cli", purpose="The demo's first stage")
        self._index = self._bm25s.BM25(k1=0.9, b=0.4)
        self._index.index(self._words(texts), show_progress=False)

    def search(self, query: str, depth: int) -> list[Hit]:
        """The best texts for a query, best first; only those that share a word with it."""
        known = [word for word in self._words([query])[0] if word in self._index.vocab_dict]
        if not known:
            return []
        scores = self._index.get_scores(known)
        best = np.argsort(-scores, kind="stable")[:depth]
        return [Hit(int(index), float(scores[index])) for index in best if scores[index] > 0]

    def _words(self, texts: Sequence[str]) -> list[list[str]]:
        words: list[list[str]] = self._bm25s.tokenize(
            list(texts), stopwords="en", return_ids=False, show_progress=False
        )
        return words
