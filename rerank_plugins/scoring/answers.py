"""The answer to one call of a scorer: awaited within the time limit, checked and counted."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np

from rerank_plugins.checks.values import check_seconds
from rerank_plugins.errors import ScoringError, ScoringTimeoutError
from rerank_plugins.messages.spelling import option
from rerank_plugins.results import PairScores
from rerank_plugins.scoring.tally import Tally

NO_SCORES = PairScores(np.empty(0, dtype=np.float32))
"""The scores of no pairs."""


class Answering(Protocol):
    """The parts of a `Scorer` that this module uses."""

    @property
    def name(self) -> str:
        """The scorer's name in messages."""

    def _begin(
        self, pairs: Sequence[tuple[str, str]], timeout: float | None, *, wait: bool
    ) -> "Future[PairScores]": ...

    def _wait_at_most(self, timeout: float | None) -> float | None: ...


def answer(
    scorer: Answering,
    pairs: Sequence[tuple[str, str]],
    timeout: float | None = None,
    *,
    deadline: float | None = None,
) -> PairScores:
    """Returns n finite logits for n checked pairs, and counts them in the scorer's statistics.

    Without pairs, the scorer is not called and loads no model.

    Args:
        scorer: The scorer.
        pairs: n checked pairs.
        timeout: Seconds that the call may take; `None` uses the scorer's own limit, if any.
        deadline: When the time budget ends, on the clock of `time.monotonic`.

    Raises:
        ScoringError: The scorer did not give n finite logits.
        ScoringTimeoutError: The time is over.
    """
    seconds = check_seconds(timeout, "timeout")
    if not pairs:
        return NO_SCORES
    future = scorer._begin(pairs, seconds, wait=False)
    try:
        return _counted(scorer, pairs, result_of(future, scorer._wait_at_most(seconds)))
    except TimeoutError as error:
        if future.done() and not future.cancelled():  # the scorer's own error
            raise
        raise _too_late(scorer, pairs, seconds) from error


async def aanswer(
    scorer: Answering,
    pairs: Sequence[tuple[str, str]],
    timeout: float | None = None,
    *,
    deadline: float | None = None,
) -> PairScores:
    """`answer` that never blocks the event loop, and waits for room if the queue is full."""
    seconds = check_seconds(timeout, "timeout")
    if not pairs:
        return NO_SCORES
    future = asyncio.wrap_future(scorer._begin(pairs, seconds, wait=True))
    limit = asyncio.timeout(scorer._wait_at_most(seconds))
    try:
        async with limit:
            return _counted(scorer, pairs, await future)
    except TimeoutError as error:
        if not limit.expired():  # the scorer's own error
            raise
        raise _too_late(scorer, pairs, seconds) from error


def _counted(scorer: Answering, pairs: Sequence[tuple[str, str]], scores: PairScores) -> PairScores:
    if not isinstance(scores, PairScores):  # possible with a user's own scorer
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
            f"Try {option('precision', 'fp32')}; if that does not help, the weights are broken."
        )
        raise ScoringError(message)
    tally_of(scorer).add(len(pairs), scores.truncated)
    return scores


def tally_of(scorer: Answering) -> Tally:
    """The scorer's counts, made on first use: a subclass may not call our constructor."""
    tally: Tally = vars(scorer).setdefault("_tally", Tally())
    return tally


def result_of(future: "Future[PairScores]", timeout: float | None = None) -> PairScores:
    """Waits for a future; if the wait ends early (Ctrl-C, a timeout), cancels the future."""
    try:
        return future.result(timeout)
    except BaseException:
        future.cancel()
        raise


def _too_late(
    scorer: Answering, pairs: Sequence[tuple[str, str]], seconds: float | None
) -> ScoringTimeoutError:
    message = (
        f"{len(pairs)} pairs were not scored by {scorer.name!r} within timeout={seconds:g} "
        "seconds. Send fewer pairs, or raise timeout."
    )
    return ScoringTimeoutError(message)
