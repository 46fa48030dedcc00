"""Measures the work for one request."""

import time

from rerank_plugins.backends.contract import Prepared
from rerank_plugins.work import Work


class Meter:
    """Adds up what a request takes, from now on."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._tokens = 0
        self._counted = True
        self._tokenizing = 0.0
        self._scoring = 0.0

    def tokenized(self, prepared: Prepared, seconds: float) -> None:
        """Takes note of some pairs that were tokenized."""
        self._counted &= prepared.counted
        self._tokenizing += seconds

    def read(self, tokens: int) -> None:
        """Takes note of a pair or a window with a score."""
        self._tokens += tokens

    def scored(self, seconds: float) -> None:
        """Takes note of a batch with some of its pairs."""
        self._scoring += seconds

    def work(self) -> Work:
        """What it took until now."""
        passed = time.monotonic() - self._begun
        return Work(
            self._tokens if self._counted else None,
            self._tokenizing,
            max(0.0, passed - self._tokenizing - self._scoring),
            self._scoring,
        )
