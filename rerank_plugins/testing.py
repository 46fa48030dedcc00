"""Scorers for tests: no model, no network, the same scores every time, at once or slowly."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress

import numpy as np

from rerank_plugins.checks.values import as_number, check_positive_int
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.results import PairScores
from rerank_plugins.scoring.contract import Scorer

__all__ = ["DeterministicScorer", "SlowScorer", "word_overlap"]


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
        self._answer(future, pairs)
        return future

    def _answer(self, future: "Future[PairScores]", pairs: Sequence[tuple[str, str]]) -> None:
        """Scores the pairs one after another, and gives the future the result."""
        logits = []
        try:
            for query, passage in pairs:
                if future.cancelled():
                    return
                logits.append(self._score(query, passage))
        except Exception as error:
            with suppress(InvalidStateError):  # cancelled meanwhile
                future.set_exception(error)
            return
        cut = [
            self._max_words is not None and len(f"{query} {passage}".split()) > self._max_words
            for query, passage in pairs
        ]
        with suppress(InvalidStateError):  # cancelled meanwhile
            future.set_result(
                PairScores(np.array(logits, dtype=np.float32), np.array(cut, dtype=np.bool_))
            )

    def _score(self, query: str, passage: str) -> float:
        return self._logit(query, passage)

    def close(self) -> None:
        """Only records that it was called."""
        self.closed = True


class SlowScorer(DeterministicScorer):
    """A `DeterministicScorer` that takes time: for tests of time budgets and timeouts.

    It scores one pair after another on a thread of its own. A call that is cancelled, because its
    time is over, ends with the pair under way.

    Args:
        seconds_per_pair: How long it takes for each pair.
        logit: As in `DeterministicScorer`.
        max_words: As in `DeterministicScorer`.
        blocking: Score in `submit` itself, like a scorer without threads.

    Attributes:
        scored: All pairs that were scored, in order.

    Raises:
        InvalidInputError: `seconds_per_pair` is no number of seconds.
    """

    name = "slow"

    def __init__(
        self,
        seconds_per_pair: float,
        logit: Callable[[str, str], float] = word_overlap,
        *,
        max_words: int | None = None,
        blocking: bool = False,
    ) -> None:
        super().__init__(logit, max_words=max_words)
        self._seconds = as_number(seconds_per_pair)
        if not 0.0 <= self._seconds < math.inf:
            message = (
                f"seconds_per_pair must be a number of seconds >= 0, but got {seconds_per_pair!r}. "
                "For example, pass SlowScorer(0.01)."
            )
            raise InvalidInputError(message)
        self._blocking = blocking
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="slow-scorer")
        self.scored: list[tuple[str, str]] = []

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        """Scores behind the calls before it, unless it is blocking."""
        if self._blocking:
            return super().submit(pairs)
        self.calls.append(list(pairs))
        future: Future[PairScores] = Future()
        self._thread.submit(self._answer, future, pairs)
        return future

    def close(self) -> None:
        """Finishes the calls that are not cancelled, and ends the thread."""
        self._thread.shutdown()
        super().close()

    def _score(self, query: str, passage: str) -> float:
        time.sleep(self._seconds)
        self.scored.append((query, passage))
        return super()._score(query, passage)
