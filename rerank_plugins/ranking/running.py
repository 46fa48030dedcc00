"""Runs the stages of a ranking within its time, blocking or not."""

import asyncio
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from rerank_plugins.checks.values import check_seconds
from rerank_plugins.errors import ScoringTimeoutError
from rerank_plugins.ranking.requests import Request
from rerank_plugins.ranking.settings import Settings
from rerank_plugins.ranking.stages import Call, Stage, rankings
from rerank_plugins.results import PairScores, RankedList
from rerank_plugins.scoring.answers import aanswer, answer

_LEAST = 0.001
"""Seconds that a stage gets if those before it took all the time: it then fails for time."""


class _Clock:
    """What is left of a call's time."""

    def __init__(self, timeout: float | None, settings: Settings) -> None:
        now, budget = time.monotonic(), settings.time_budget
        self._seconds = settings.timeout if timeout is None else check_seconds(timeout, "timeout")
        self._start, self._first = now, True
        self.deadline = None if budget is None else now + budget

    @contextmanager
    def stage(self) -> Iterator[float | None]:
        """The seconds that the next stage may take; `None` is no limit.

        Raises:
            ScoringTimeoutError: They are over; the message has the time of all stages.
        """
        first, self._first = self._first, False
        if first or self._seconds is None:
            yield self._seconds
            return
        try:
            yield max(self._start + self._seconds - time.monotonic(), _LEAST)
        except ScoringTimeoutError as error:
            message = f"{error} All that a ranking asks for shares timeout={self._seconds:g}."
            raise ScoringTimeoutError(message) from error


def run(
    stages: Sequence[Stage],
    requests: Sequence[Request],
    settings: Settings,
    timeout: float | None,
) -> list[RankedList]:
    """One ranking per request.

    Args:
        stages: The models.
        requests: The queries.
        settings: The options.
        timeout: Seconds after which it fails; `None` is the limit of the settings.
    """
    clock = _Clock(timeout, settings)
    asked = rankings(stages, requests, settings)
    scores: PairScores | None = None
    while isinstance(call := _next(asked, scores), Call):
        with clock.stage() as seconds:
            scores = answer(
                call.scorer, call.pairs, seconds, deadline=clock.deadline, counts=call.counts
            )
    return call


async def arun(
    stages: Sequence[Stage],
    requests: Sequence[Request],
    settings: Settings,
    timeout: float | None,
) -> list[RankedList]:
    """`run` that never blocks the event loop."""
    clock = _Clock(timeout, settings)
    asked = rankings(stages, requests, settings)
    # Sentences take seconds in long texts, and so does the identity of a large model, for which a
    # calibration asks: the first time, its files are read.
    slow = settings.spans or settings.compression is not None or settings.is_calibrated
    scores: PairScores | None = None
    while True:
        call = await asyncio.to_thread(_next, asked, scores) if slow else _next(asked, scores)
        if not isinstance(call, Call):
            return call
        with clock.stage() as seconds:
            scores = await aanswer(
                call.scorer, call.pairs, seconds, deadline=clock.deadline, counts=call.counts
            )


def _next(
    asked: Generator[Call, PairScores, list[RankedList]], scores: PairScores | None
) -> Call | list[RankedList]:
    """The next call, after the scores of the one before, or at the end the rankings."""
    try:
        return next(asked) if scores is None else asked.send(scores)
    except StopIteration as end:
        found: list[RankedList] = end.value
        return found
