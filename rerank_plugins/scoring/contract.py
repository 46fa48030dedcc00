"""The contract of a scorer: pairs in, a future of logits out; sync and async made from that."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from functools import cached_property
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.errors import ScoringError
from rerank_plugins.messages.spelling import option
from rerank_plugins.results import PairScores, Statistics
from rerank_plugins.scoring.inputs import check_pairs, check_passages, check_query
from rerank_plugins.scoring.tally import Tally


class Scorer(ABC):
    """Scores pairs of texts. Subclass it and write `submit` to rerank with a model of your own."""

    @cached_property
    def name(self) -> str:
        """What traces and reports call this scorer: the class's name, or what is assigned."""
        return type(self).__name__

    @property
    def statistics(self) -> Statistics:
        """How many pairs were scored so far, and how many of them the model read only in part.

        The calls of this scorer's own methods and of rerankers count once they are answered;
        what is given to `submit` directly does not.
        """
        return _tally(self).total()

    @abstractmethod
    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        """Starts scoring n checked (query, passage) pairs and returns at once.

        Must not block and must be safe to call from any thread. The future gives `PairScores`
        of n finite logits in the order of the pairs, or an error; it is cancelled when its
        caller has gone.
        """

    def _submit_or_wait(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        """`submit` of the async methods, which wait for room where a scorer's queue is bounded."""
        return self.submit(pairs)

    def warm_up(self) -> None:  # noqa: B027 - optional: nothing to do is a right answer
        """Makes the scorer ready now, so that the first request does not wait for it."""

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        await asyncio.to_thread(self.warm_up)

    def close(self) -> None:  # noqa: B027
        """Releases what the scorer holds. It cannot be used afterwards; a second call is fine."""

    def score(self, query: str, passages: Iterable[str]) -> NDArray[np.float32]:
        """One logit per passage for a query.

        Args:
            query: The query.
            passages: n passages.

        Returns:
            float32, shape `(n,)`, raw model outputs (not probabilities), in the order of the
            passages. `Reranker` turns them into probabilities.

        Raises:
            InvalidInputError: The query or a passage is not a string.
            ModelError: The model could not be loaded; a subclass says why.
            ScoringError: The model failed, or gave NaN or infinity.
        """
        return answer(self, _pair_up(query, passages)).logits

    def score_pairs(self, pairs: Iterable[tuple[str, str]]) -> NDArray[np.float32]:
        """One logit per (query, passage) pair, for many queries at once.

        Returns:
            float32, shape `(n,)`, raw model outputs in the order of the pairs.

        Raises:
            InvalidInputError: A pair is not a tuple of two strings.
            ModelError: The model could not be loaded; a subclass says why.
            ScoringError: The model failed, or gave NaN or infinity.
        """
        return answer(self, check_pairs(pairs)).logits

    async def ascore(self, query: str, passages: Iterable[str]) -> NDArray[np.float32]:
        """`score` that never blocks the event loop."""
        return (await aanswer(self, _pair_up(query, passages))).logits

    async def ascore_pairs(self, pairs: Iterable[tuple[str, str]]) -> NDArray[np.float32]:
        """`score_pairs` that never blocks the event loop."""
        return (await aanswer(self, check_pairs(pairs))).logits

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def answer(scorer: Scorer, pairs: Sequence[tuple[str, str]]) -> PairScores:
    """What the scorer gives for n checked pairs: n finite logits, counted in its statistics.

    Raises:
        ScoringError: The scorer gave something else.
    """
    return _counted(scorer, pairs, result_of(scorer.submit(pairs)))


async def aanswer(scorer: Scorer, pairs: Sequence[tuple[str, str]]) -> PairScores:
    """`answer` that never blocks the event loop, and waits for room in a queue that is full."""
    return _counted(scorer, pairs, await asyncio.wrap_future(scorer._submit_or_wait(pairs)))


def _counted(scorer: Scorer, pairs: Sequence[tuple[str, str]], scores: PairScores) -> PairScores:
    if not isinstance(scores, PairScores):  # a scorer of a user's
        message = (
            f"The scorer {scorer.name!r} gave {type(scores).__name__}. The future of submit() "
            "must give PairScores(logits) with one logit per pair."
        )
        raise ScoringError(message)
    if scores.logits.shape != (len(pairs),):
        message = (
            f"The scorer {scorer.name!r} gave logits of shape {scores.logits.shape} for "
            f"{len(pairs)} pairs. A scorer must give one logit per pair."
        )
        raise ScoringError(message)
    bad = np.flatnonzero(~np.isfinite(scores.logits))
    if bad.size:
        query, passage = pairs[bad[0]]
        message = (
            f"The model gave {scores.logits[bad[0]]} for query {query[:60]!r} and passage "
            f"{passage[:60]!r} ({bad.size} of {len(pairs)} pairs are not finite). "
            f"Try {option('precision', 'fp32')}; if it stays, the weights are broken."
        )
        raise ScoringError(message)
    _tally(scorer).add(len(pairs), scores.truncated)
    return scores


def _tally(scorer: Scorer) -> Tally:
    """The scorer's counts; its class may have a constructor that does not call ours."""
    tally: Tally = vars(scorer).setdefault("_tally", Tally())
    return tally


def result_of(future: "Future[PairScores]") -> PairScores:
    """Waits for a future; whoever stops waiting (Ctrl-C) has it cancelled."""
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _pair_up(query: str, passages: Iterable[str]) -> list[tuple[str, str]]:
    """Checked (query, passage) pairs."""
    checked = check_query(query)
    return [(checked, passage) for passage in check_passages(passages)]
