"""Decides which pairs of requests with a time budget are scored next, without threads.

Each request is scored in the order in which it was given, a slice at a time. The one with the
fewest pairs taken leads the next batch, and others fill it up: under load all of them get less
deep, and none waits for the end of another. A batch is as small as the time left asks for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, takewhile

from rerank_plugins.backends.contract import PairOptions
from rerank_plugins.engine.pace import Pace
from rerank_plugins.engine.requests import Item, Request, by_falling_length

SLICE = 16
"""How many pairs of a request are tokenized at a time; more if there is time for many more."""

MOST = 256
"""The most pairs that are tokenized at a time."""

CHARACTERS = 250_000
"""The most characters that are tokenized at a time, unless one pair has more."""

FEW = 4
"""The pairs of a batch while the pace is not known."""

_USED = 1.15
"""What a batch may take, as a part of the time left. A call may be late by a batch; with less than
the time left, the machine would stand still at the end of each budget."""

_PART = 3
"""A batch takes at most a third of its leader's budget, so that new requests wait little."""

_LONGER = 6
"""A batch may take that many times as long as a pair alone, whatever its leader's budget: what
every batch takes, however small, is then a small part. A pair took 4 ms, and 40 took 59 ms."""

_EXTRA = 1.05
"""How much longer than alone a pair may take in a batch; the rest is padding."""


@dataclass(slots=True)
class _Waiting:
    """A request with pairs that are in no batch yet.

    Attributes:
        ready: Its tokenized pairs, in its own order.
        part: The first of them, all of which come before the others.
        taken: How many of its pairs have been put in batches.
    """

    request: Request
    ready: list[Item] = field(default_factory=list)
    part: list[Item] = field(default_factory=list)
    taken: int = 0

    def left(self, now: float) -> float:
        """The seconds that a batch with its pairs may take."""
        return _USED * (self.request.deadline - now)

    def next(self, allowed: float, share: float) -> list[Item]:
        """Its next pairs, longest first, which needs the least padding.

        Only a part that takes at most half of its share is sorted, and what is behind fills up its
        last batch: pairs may be out of order only where all are surely scored in time.

        Args:
            allowed: The most tokens that a batch may have in the time left; longer pairs are
                passed over.
            share: The tokens that the request may have scored until its deadline.
        """
        fitting = [item for item in self.ready if item.tokens <= allowed]
        part = [item for item in self.part if item.tokens <= allowed]
        if not part:
            part = self.part = _beginning(fitting, share / 2, FEW)
        first = _beginning(part, share, 1)
        known = set(map(id, part))
        behind = [item for item in fitting if id(item) not in known]
        left = share - sum(item.tokens for item in part)
        return sorted(first, key=by_falling_length) + _beginning(behind, left, 0)

    def drop(self, taken: set[int]) -> None:
        """Forgets pairs that are in a batch, by their object ids."""
        self.ready = [item for item in self.ready if id(item) not in taken]
        self.part = [item for item in self.part if id(item) not in taken]


class _Batch:
    """A batch that is being made; the first request to fill it leads it.

    Args:
        most: The most tokens, padding included, unless one pair has more.
        pace: How long batches take.
        requests: How many requests share the machine.
        now: The time.
    """

    def __init__(self, most: float, pace: Pace, requests: int, now: float) -> None:
        self.items: list[Item] = []
        self._most = most
        self._pace = pace
        self._requests = requests
        self._now = now
        self._longest = 0

    def fill(self, waiting: _Waiting) -> None:
        """Adds pairs of a request, at most its share, if its time left allows the batch then."""
        allowed = self._pace.tokens(waiting.left(self._now))
        if not self.items:
            least = _LONGER * self._pace.seconds(waiting.ready[0].tokens)
            most = self._pace.tokens(max(waiting.request.budget / _PART, least))
            self._most = min(self._most, most)
        known = self._pace.known
        share = allowed / self._requests
        for item in waiting.next(allowed, share) if known else waiting.ready[:FEW]:
            if self._is_full():
                return
            if self._suits(item, allowed):
                self.add(item)
                self._most = min(self._most, allowed)

    def add(self, item: Item) -> None:
        """Adds a pair."""
        self.items.append(item)
        self._longest = max(self._longest, item.tokens)

    def _is_full(self) -> bool:
        if not self._pace.known and len(self.items) == FEW:
            return True
        return bool(self.items) and (len(self.items) + 1) * self._longest > self._most

    def _suits(self, item: Item, allowed: float) -> bool:
        if not self.items:
            return True
        before = len(self.items) * self._longest
        padded = (len(self.items) + 1) * max(self._longest, item.tokens)
        extra = self._pace.seconds(padded) - self._pace.seconds(before)
        return padded <= min(self._most, allowed) and extra <= _EXTRA * self._pace.seconds(
            item.tokens
        )


class BudgetedLane:
    """The requests with a time budget; used under the engine's lock."""

    def __init__(self) -> None:
        self._waiting: dict[Request, _Waiting] = {}
        self._length = 0.0  # tokens per pair, in the slices of late

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: Request) -> None:
        """Takes a new request."""
        self._waiting[request] = _Waiting(request)

    def discard(self, request: Request) -> None:
        """Forgets the pairs of a request that are not in a batch yet."""
        self._waiting.pop(request, None)

    def next_slice(self, pace: Pace, now: float) -> tuple[Request, slice] | None:
        """The next pairs to tokenize, marked as read; `None` while enough pairs lie ready.

        A slice is as long as half of the request's share of the machine until its deadline allows,
        so that it holds few pairs that are not scored in the end: tokenizing takes time too.
        """
        wanting = [
            waiting
            for waiting in self._in_order(now)
            if waiting.request.read < waiting.request.size
            and len(waiting.ready) < min(self._slice(waiting, pace, now), SLICE)
        ]
        if not wanting:
            return None
        first = min(wanting, key=lambda waiting: waiting.taken + len(waiting.ready))
        pairs = self._slice(first, pace, now)
        return first.request, first.request.next_slice(pairs, CHARACTERS)

    def _slice(self, waiting: _Waiting, pace: Pace, now: float) -> int:
        """How many pairs of a request are tokenized at a time."""
        if not (pace.known and self._length):
            return SLICE
        share = pace.tokens(waiting.left(now)) / len(self._waiting)
        return int(min(max(FEW, share / 2 / self._length), MOST))

    def ready(self, items: list[Item]) -> None:
        """Takes the tokenized pairs of one slice, longest first."""
        mean = sum(item.tokens for item in items) / len(items)
        self._length = (self._length + mean) / 2 if self._length else mean
        if waiting := self._waiting.get(items[0].request):
            waiting.ready += sorted(items, key=_position)

    def has_ready(self, now: float) -> bool:
        """Whether a pair could be put in a batch."""
        return any(waiting.ready for waiting in self._in_order(now))

    def draw(self, budget: Callable[[PairOptions], int], pace: Pace, now: float) -> list[Item]:
        """The next batch; `[]` if nothing is ready that the time left allows.

        Args:
            budget: The most tokens of a batch for given options, padding included. A pair with
                more is a batch of its own.
            pace: How long batches take where this one is run.
            now: The time, on the clock of `time.monotonic`.
        """
        order = [waiting for waiting in self._in_order(now) if waiting.ready]
        for leader in order:
            batch = _Batch(budget(leader.request.options), pace, len(self._waiting), now)
            batch.fill(leader)
            if not batch.items and leader.request.has_nothing:
                batch.add(leader.ready[0])
            if batch.items:
                for other in order:
                    if other is not leader and other.request.options == leader.request.options:
                        batch.fill(other)
                return self._taken(batch.items)
        return []

    def hopeless(self, pace: Pace, now: float) -> list[Request]:
        """Requests with some scores whose time left does not allow another pair."""
        return [
            waiting.request
            for waiting in self._in_order(now)
            if waiting.ready
            and not (waiting.request.has_nothing or waiting.request.under_way)
            and min(item.tokens for item in waiting.ready) > pace.tokens(waiting.left(now))
        ]

    def _in_order(self, now: float) -> list[_Waiting]:
        """Requests whose time is not over, in the order of their turn."""
        waiting = [each for each in self._waiting.values() if each.request.deadline > now]
        return sorted(waiting, key=lambda each: (each.taken, each.request.deadline))

    def _taken(self, batch: list[Item]) -> list[Item]:
        """Takes the pairs of a batch out of the lane; returns them longest first."""
        taken = set(map(id, batch))
        for item in batch:
            self._waiting[item.request].taken += 1
        for request in {item.request for item in batch}:
            waiting = self._waiting[request]
            waiting.drop(taken)
            if waiting.taken == request.size:
                del self._waiting[request]
        return sorted(batch, key=by_falling_length)


def _beginning(items: list[Item], tokens: float, least: int) -> list[Item]:
    """The first pairs that have so many tokens together; at least so many pairs."""
    sums = accumulate(item.tokens for item in items)
    fitting = sum(1 for _ in takewhile(lambda total: total <= tokens, sums))
    return items[: max(fitting, least)]


def _position(item: Item) -> int:
    """Sorting key for the order in which the request was given."""
    return item.position
