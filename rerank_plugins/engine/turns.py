"""Shares the machine between requests with a time budget and those without."""

import math
from collections.abc import Callable

from rerank_plugins.backends.contract import PairOptions
from rerank_plugins.engine.budgeted import BudgetedLane
from rerank_plugins.engine.pace import Pace
from rerank_plugins.engine.requests import Item, Request
from rerank_plugins.engine.schedule import Schedule


class Turns:
    """Whose pairs are tokenized and scored next; used under the engine's lock.

    While both sides have pairs, each gets half of the work, counted in tokens. A side that waits
    alone has it all, and is treated as if there were no other.

    Args:
        schedule: The requests without a time budget.
        devices: How many devices run batches.

    Attributes:
        paces: How long batches take on each device.
    """

    def __init__(self, schedule: Schedule, devices: int) -> None:
        self.paces = [Pace() for _ in range(devices)]
        self._others = schedule
        self._budgeted = BudgetedLane()
        self._read_budgeted = False
        self._ahead = 0  # tokens that the budgeted side had more than the other, while both waited

    def add(self, request: Request) -> None:
        """Takes a new request."""
        self._side(request).add(request)

    def discard(self, request: Request) -> None:
        """Forgets the pairs of a request that are not in a batch yet."""
        self._side(request).discard(request)

    def next_slice(self, now: float) -> tuple[Request, slice] | None:
        """The next pairs to tokenize, marked as read; `None` while enough pairs lie ready.

        Args:
            now: The time, on the clock of `time.monotonic`.
        """
        if self._read_budgeted:
            self._read_budgeted = False
            if found := self._others.next_slice():
                return found
        if self._budgeted and (found := self._budgeted.next_slice(self._fastest(), now)):
            self._read_budgeted = True
            return found
        return self._others.next_slice()

    def ready(self, items: list[Item]) -> None:
        """Takes the tokenized pairs of one slice, longest first."""
        if items:
            self._side(items[0].request).ready(items)

    def draw(self, device: int, budget: Callable[[PairOptions], int], now: float) -> list[Item]:
        """The next batch of a device, its longest pair first; `[]` if nothing is ready for it.

        Args:
            device: The place of the device among all.
            budget: The most tokens of a batch there for given options, padding included.
            now: The time.
        """
        batch = self._drawn(budget, self.paces[device], now)
        for item in batch:
            item.request.under_way += 1
        return batch

    def give_up(self, now: float) -> bool:
        """Ends the time of requests that have scores and no time for another; whether there are."""
        hopeless = self._budgeted.hopeless(self._fastest(), now) if self._budgeted else []
        for request in hopeless:
            request.deadline = now
        return bool(hopeless)

    def _drawn(self, budget: Callable[[PairOptions], int], pace: Pace, now: float) -> list[Item]:
        if not self._budgeted:
            return self._others.draw(budget)
        contested = self._budgeted.has_ready(now) and self._others.has_ready()
        if not contested:
            self._ahead = 0
        if self._ahead <= 0 and (batch := self._budgeted.draw(budget, pace, now)):
            self._ahead += len(batch) * batch[0].tokens
            return batch
        batch = self._others.draw(budget)
        if self._ahead > 0:
            self._ahead -= len(batch) * batch[0].tokens
        return batch

    def _fastest(self) -> Pace:
        """The pace of the device that takes the least time for a pair."""
        return min(self.paces, key=lambda pace: pace.seconds(1))

    def _side(self, request: Request) -> BudgetedLane | Schedule:
        return self._budgeted if request.budget < math.inf and request.size else self._others
