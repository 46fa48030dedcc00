"""A deterministic scorer for tests: no model, no network, the same scores every time."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from rerank_plugins.checks.values import check_positive_int
from rerank_plugins.results import PairScores
from rerank_plugins.scoring.contract import Scorer

__all__ = ["DeterministicScorer", "word_overlap"]


def word_overlap(query: str, passage: str) -> float:
    """Returns a logit from -4 (the passage has no word of the query) to 4 (it has all of them)."""
    words = set(query.lower().split())
    if not words:
        return -4.0
    return 8.0 * len(words & set(passage.lower().split())) / len(words) - 4.0


class DeterministicScorer(Scorer):
    """A real `Scorer` that computes the logit of each pair with a function.

    Args:
        logit: Takes a query and a passage and returns a logit. An exception that it raises
            reaches the caller as a failure of a model would.
        max_words: Report pairs with more words than this as cut.

    Attributes:
        calls: All submitted lists of pairs, in order.
        closed: Whether `close` was called.
    """

    name = "deterministic"

    def __init__(
        self,
        logit: Callable[[str, str], float] = word_overlap,
        *,
        max_words: int | None = None,
    ) -> None:
        self._logit = logit
        self._max_words = None if max_words is None else check_positive_int(max_words, "max_words")
        self.calls: list[list[tuple[str, str]]] = []
        self.closed = False

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        """Scores immediately; the future is already done."""
        self.calls.append(list(pairs))
        future: Future[PairScores] = Future()
        try:
            logits = [self._logit(query, passage) for query, passage in pairs]
        except Exception as error:
            future.set_exception(error)
        else:
            cut = [
                self._max_words is not None and len(f"{query} {passage}".split()) > self._max_words
                for query, passage in pairs
            ]
            future.set_result(
                PairScores(np.array(logits, dtype=np.float32), np.array(cut, dtype=np.bool_))
            )
        return future

    def close(self) -> None:
        """Only records that it was called."""
        self.closed = True
