"""Which requests' time is over."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from rerank_plugins.engine.failures import timed_out
from rerank_plugins.engine.requests import Request


class Due(NamedTuple):
    """What is to be done now for time.

    Attributes:
        finished: Requests whose time budget is over. Those with pairs in a batch that is running
            are not among them: they wait for its scores.
        failed: Requests that passed their timeout.
        next: When to look again; infinity if nothing else has an end.
    """

    finished: list[Request]
    failed: list[Request]
    next: float

    def settle(self, name: str) -> None:
        """Gives the callers their scores, or the error; `name` is the model's, for the message."""
        for request in self.finished:
            request.finish()
        for request in self.failed:
            request.fail(timed_out(name, request))


def due(requests: Iterable[Request], now: float) -> Due:
    """Looks through the open requests.

    Args:
        requests: The open requests.
        now: The time, on the clock of `time.monotonic`.
    """
    finished, failed, ends = [], [], [math.inf]
    for request in requests:
        if request.done():
            continue
        if request.is_over(now) and request.deadline <= request.fails_at:
            finished.append(request)
        elif request.fails_at <= now:
            failed.append(request)
        else:
            ends += (end for end in (request.deadline, request.fails_at) if end > now)
    return Due(finished, failed, min(ends))
