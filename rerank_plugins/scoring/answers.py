"""The answer to one call of a scorer: awaited within the time limit, checked and counted."""

import asyncio
import math
import time
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError, Future
from typing import Protocol, TypeAlias

import numpy as np

from rerank_plugins.checks.values import check_seconds
from rerank_plugins.errors import ScoringError, ScoringTimeoutError
from rerank_plugins.messages.spelling import option
from rerank_plugins.results import PairScores
from rerank_plugins.scoring.slices import Slices
from rerank_plugins.scoring.tally import Tally
from rerank_plugins.work import Work

NO_SCORES = PairScores(np.empty(0, dtype=np.float32), work=Work())
"""The scores of no pairs."""


class Answering(Protocol):
    """The parts of a `Scorer` that this module uses."""

    @property
    def name(self) -> str:
        """The scorer's name in messages."""

    @property
    def _keeps_deadlines(self) -> bool: ...

    def _begin(
        self,
        pairs: Sequence[tuple[str, str]],
        timeout: float | None,
        *,
        wait: bool,
        deadline: float | None = None,
    ) -> "Future[PairScores]": ...

    def _wait_at_most(self, timeout: float | None) -> float | None: ...


_Asking: TypeAlias = Generator[
    tuple["Future[PairScores]", float | None], PairScores | None, PairScores
]
"""Yields a future and the seconds to wait for it; takes its result, or `None` if it came too late.
Returns the answer."""


def answer(
    scorer: Answering,
    pairs: Sequence[tuple[str, str]],
    timeout: float | None = None,
    *,
    deadline: float | None = None,
    counts: bool = True,
) -> PairScores:
    """Returns n finite logits for n checked pairs.

    Without pairs, the scorer is not called and loads no model.

    Args:
        scorer: The scorer.
        pairs: n checked pairs.
        timeout: Seconds that the call may take; `None` uses the scorer's own limit, if any.
        deadline: When the time budget ends, on the clock of `time.monotonic`. Pairs that are not
            scored by then are named by `scored` of the result.
        counts: Whether the pairs count in the scorer's statistics.

    Raises:
        ScoringError: The scorer did not give n finite logits.
        ScoringTimeoutError: The time of `timeout` is over.
    """
    asking = _asking(scorer, pairs, timeout, deadline, wait=False, counts=counts)
    try:
        future, seconds = next(asking)
        while True:
            future, seconds = asking.send(_received(scorer, future, seconds))
    except StopIteration as end:
        scores: PairScores = end.value
        return scores


async def aanswer(
    scorer: Answering,
    pairs: Sequence[tuple[str, str]],
    timeout: float | None = None,
    *,
    deadline: float | None = None,
    counts: bool = True,
) -> PairScores:
    """`answer` that never blocks the event loop, and waits for room if the queue is full."""
    asking = _asking(scorer, pairs, timeout, deadline, wait=True, counts=counts)
    try:
        future, seconds = next(asking)
        while True:
            future, seconds = asking.send(await _areceived(scorer, future, seconds))
    except StopIteration as end:
        scores: PairScores = end.value
        return scores


def _asking(
    scorer: Answering,
    pairs: Sequence[tuple[str, str]],
    timeout: float | None,
    deadline: float | None,
    *,
    wait: bool,
    counts: bool,
) -> _Asking:
    """What a scorer is asked, in which order, and what becomes of its answers."""
    seconds = check_seconds(timeout, "timeout")
    if not pairs:
        return NO_SCORES
    if deadline is not None and (deadline <= time.monotonic() or not scorer._keeps_deadlines):
        scores = yield from _asking_in_slices(scorer, pairs, seconds, deadline, wait=wait)
    else:
        future = scorer._begin(pairs, seconds, wait=wait, deadline=deadline)
        given = yield future, scorer._wait_at_most(seconds)
        if given is None:
            raise _too_late(scorer, pairs, seconds)
        scores = _checked(scorer, pairs, given)
    if counts:
        tally_of(scorer).add(scores)
    return scores


def _asking_in_slices(
    scorer: Answering,
    pairs: Sequence[tuple[str, str]],
    seconds: float | None,
    deadline: float,
    *,
    wait: bool,
) -> _Asking:
    """The asking of a scorer that knows no deadlines."""
    limit = scorer._wait_at_most(seconds)
    too_late = math.inf if limit is None else time.monotonic() + limit
    slices = Slices(pairs, deadline)
    while part := slices.next(time.monotonic()):
        if time.monotonic() >= too_late:
            raise _too_late(scorer, pairs, seconds)
        future = scorer._begin(part, seconds, wait=wait)
        given = yield future, max(0.0, min(deadline, too_late) - time.monotonic())
        if given is not None:
            slices.put(_checked(scorer, part, given), time.monotonic())
        elif too_late < deadline:
            raise _too_late(scorer, pairs, seconds)
        else:
            break
    return slices.scores()


def _received(
    scorer: Answering, future: "Future[PairScores]", seconds: float | None
) -> PairScores | None:
    """Waits for a future; `None` if it is not done in time, and cancelled."""
    try:
        return result_of(future, seconds)
    except TimeoutError:
        if future.done() and not future.cancelled():  # the scorer's own error, or just in time
            return future.result()
        return None
    except CancelledError as error:
        raise _given_up(scorer) from error


async def _areceived(
    scorer: Answering, future: "Future[PairScores]", seconds: float | None
) -> PairScores | None:
    """`_received` that never blocks the event loop."""
    if future.done() and not future.cancelled():  # no timer can be in time for it
        await asyncio.sleep(0)
        return future.result()
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await asyncio.wrap_future(future)
    except TimeoutError:
        if not limit.expired():  # the scorer's own error
            raise
        return None if future.cancel() or not future.done() else future.result()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():  # by the scorer, and not by the caller
            raise _given_up(scorer) from error
        raise


def _checked(scorer: Answering, pairs: Sequence[tuple[str, str]], scores: PairScores) -> PairScores:
    """The scores, if they are finite logits of all the pairs, or of those that have a score."""
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
    finite = np.isfinite(scores.logits)
    bad = np.flatnonzero(~finite if scores.scored is None else ~finite & scores.scored)
    if bad.size:
        query, passage = pairs[bad[0]]
        message = (
            f"The model gave {scores.logits[bad[0]]} for query {query[:60]!r} and passage "
            f"{passage[:60]!r} ({bad.size} of {len(pairs)} pairs are not finite). "
            f"Try {option('precision', 'fp32')}; if that does not help, the weights are broken."
        )
        raise ScoringError(message)
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


def _given_up(scorer: Answering) -> ScoringError:
    message = (
        f"The scorer {scorer.name!r} cancelled a call that it had taken, as one does that is "
        "closed meanwhile. Ask a scorer that stays open."
    )
    return ScoringError(message)


def _too_late(
    scorer: Answering, pairs: Sequence[tuple[str, str]], seconds: float | None
) -> ScoringTimeoutError:
    message = (
        f"{len(pairs)} pairs were not scored by {scorer.name!r} within timeout={seconds:g} "
        "seconds. Send fewer pairs, or raise timeout."
    )
    return ScoringTimeoutError(message)
