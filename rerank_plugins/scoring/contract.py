"""The contract of a scorer: pairs in, a future of logits out, and the methods built on that."""

import asyncio
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.checks.values import check_positive_int
from rerank_plugins.errors import (
    InvalidInputError,
    ScorerClosedError,
)
from rerank_plugins.messages.values import described
from rerank_plugins.results import PairScores, Statistics
from rerank_plugins.scoring.answers import aanswer, answer, tally_of
from rerank_plugins.scoring.closing import Closing
from rerank_plugins.scoring.identity import Identity
from rerank_plugins.scoring.inputs import check_pairs, check_passages, check_query


class Scorer(Closing):
    """Scores pairs of texts.

    To rerank with a model of your own, subclass it and write `submit`, or give a function to
    `from_function`.
    """

    @staticmethod
    def from_function(
        function: "Callable[[Sequence[tuple[str, str]]], Sequence[float] | NDArray[Any]]",
        *,
        threads: int = 1,
        name: str | None = None,
    ) -> "Scorer":
        """Makes a scorer that calls a blocking function on threads of its own.

        Args:
            function: Takes n (query, passage) pairs and returns n finite logits. Its exceptions
                reach the caller. It is pickled with the scorer.
            threads: How many calls of the function may run at the same time.
            name: The scorer's name in traces and reports; `None` takes the function's name.

        Raises:
            InvalidInputError: The function cannot be called, or `threads` is less than 1.
        """
        return _FunctionScorer(function, threads, name)

    @cached_property
    def name(self) -> str:
        """The scorer's name in traces and reports: the class's name, unless you assign another."""
        return type(self).__name__

    @property
    def first_stage_weight(self) -> float | None:
        """What `first_stage_weight="auto"` means for this scorer; `None` if it names nothing.

        It belongs to the spread of the scorer's logits: `rerank eval --fuse` finds it. A scorer of
        your own may set it as an attribute of its class.
        """
        return None

    @property
    def identity(self) -> Identity | None:
        """What makes this scorer's numbers what they are; `None` if it cannot tell.

        Scores are kept and calibrations are applied only where it is the same. A scorer of your
        own may set it as an attribute of its class.
        """
        return None

    @property
    def calibration_file(self) -> str | os.PathLike[str] | None:
        """What `calibration="auto"` means for this scorer; `None` if it has none.

        `rerank calibrate` writes such a file. A scorer of your own may set it as an attribute of
        its class.
        """
        return None

    @property
    def statistics(self) -> Statistics:
        """How many pairs were scored so far, and how many of them the model read only in part.

        Calls of this scorer's own methods and of rerankers count once they are answered. Direct
        calls of `submit` do not count.
        """
        return tally_of(self).total()

    @abstractmethod
    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        """Starts scoring n checked (query, passage) pairs and returns immediately.

        The method must not block and must be safe to call from any thread. The future gives
        `PairScores` with n finite logits in the order of the pairs, or an error. It is cancelled
        when its caller stops waiting. Within a time budget it is called for a few pairs at a time.
        """

    def warm_up(self) -> None:
        """Prepares the scorer now, so that the first request does not wait."""

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        await asyncio.to_thread(self.warm_up)

    def close(self) -> None:
        """Releases the scorer's resources; it cannot be used afterwards. A second call is fine."""

    async def aclose(self) -> None:
        """`close` that never blocks the event loop."""
        await asyncio.to_thread(self.close)

    def score(
        self, query: str, passages: Iterable[str], *, timeout: float | None = None
    ) -> NDArray[np.float32]:
        """Returns one logit per passage for a query; without passages no model is loaded.

        Args:
            query: The query.
            passages: n passages.
            timeout: Seconds that this call may take; `None` uses the scorer's own limit, if any.

        Returns:
            float32, shape `(n,)`, raw model outputs (not probabilities), in the order of the
            passages. `Reranker` turns them into probabilities.

        Raises:
            InvalidInputError: The query or a passage is not a string.
            ModelError: The model could not be loaded; a subclass says why.
            ScoringError: The model failed, or gave NaN or infinity.
            ScoringTimeoutError: The time is over.
        """
        return answer(self, _pair_up(query, passages), timeout).logits

    def score_pairs(
        self, pairs: Iterable[tuple[str, str]], *, timeout: float | None = None
    ) -> NDArray[np.float32]:
        """Returns one logit per (query, passage) pair, for many queries at once.

        Args:
            pairs: n (query, passage) pairs.
            timeout: As in `score`.

        Returns:
            float32, shape `(n,)`, raw model outputs in the order of the pairs.

        Raises:
            InvalidInputError: A pair is not a tuple of two strings.
            ModelError: The model could not be loaded; a subclass says why.
            ScoringError: The model failed, or gave NaN or infinity.
            ScoringTimeoutError: The time is over.
        """
        return answer(self, check_pairs(pairs), timeout).logits

    async def ascore(
        self, query: str, passages: Iterable[str], *, timeout: float | None = None
    ) -> NDArray[np.float32]:
        """`score` that never blocks the event loop."""
        return (await aanswer(self, _pair_up(query, passages), timeout)).logits

    async def ascore_pairs(
        self, pairs: Iterable[tuple[str, str]], *, timeout: float | None = None
    ) -> NDArray[np.float32]:
        """`score_pairs` that never blocks the event loop."""
        return (await aanswer(self, check_pairs(pairs), timeout)).logits

    _keeps_deadlines = False
    """Whether `_begin` keeps a deadline; otherwise it is given none, and a few pairs at a time."""

    def _begin(
        self,
        pairs: Sequence[tuple[str, str]],
        timeout: float | None,
        *,
        wait: bool,
        deadline: float | None = None,
    ) -> "Future[PairScores]":
        """`submit` for a call that has a time limit of its own and may wait for room in a queue."""
        return self.submit(pairs)

    def _wait_at_most(self, timeout: float | None) -> float | None:
        """Seconds to wait for such a call's future; `None` if the scorer ends it itself."""
        return timeout


class _FunctionScorer(Scorer):
    """The scorer that `Scorer.from_function` makes."""

    def __init__(self, function: Any, threads: int, name: str | None) -> None:
        if not callable(function):
            message = (
                "Scorer.from_function takes a function of a list of (query, passage) pairs, but "
                f"got {described(function)}."
            )
            raise InvalidInputError(message)
        self._function = function
        self._threads = check_positive_int(threads, "threads")
        self.name = name or str(getattr(function, "__name__", type(function).__name__))
        self._closed = False
        self._pools: dict[int, ThreadPoolExecutor] = {}
        """By process: threads do not survive a fork."""

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        """Calls the function on one of the scorer's threads."""
        if not self._closed:
            pool = self._pools.get(os.getpid())
            if pool is None:
                pool = ThreadPoolExecutor(self._threads, thread_name_prefix="rerank-function")
                pool = self._pools.setdefault(os.getpid(), pool)  # the first of calls at once
            with suppress(RuntimeError):  # it was shut down just now
                return pool.submit(self._scores, pairs)
        message = f"The scorer {self.name!r} is closed. Create a new one."
        raise ScorerClosedError(message)

    def close(self) -> None:
        """Finishes the queued calls and stops the threads."""
        self._closed = True
        pool = self._pools.get(os.getpid())
        if pool is not None:
            pool.shutdown()

    def __reduce__(self) -> tuple[Any, ...]:
        return _FunctionScorer, (self._function, self._threads, self.name)

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> PairScores:
        return PairScores(self._function(pairs))


def _pair_up(query: str, passages: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs the query with each passage, all checked."""
    checked = check_query(query)
    return [(checked, passage) for passage in check_passages(passages)]
