"""Decides which pairs of requests with a time budget are scored next, without threads.

Each request is scored in the order in which it was given, a part at a time; of passages in windows
come the first windows of all before the others. The request with the fewest pairs taken leads the
next batch, and pairs of about the same length out of all parts fill it up: under load all requests
get less deep, and none waits for the end of another. A batch is as small as the time left asks for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, repeat, takewhile

from rerank_plugins.backends.contract import PairOptions
from rerank_plugins.engine.pace import Pace
from rerank_plugins.engine.requests import Item, Request, by_falling_length

SLICE = 16
"""How many pairs of a request are tokenized at a time; more if there is time for many more."""

MOST = 256
"""The most pairs that are tokenized at a time."""

LEAST = 2
"""The fewest pairs that are tokenized at a time, unless a request has fewer."""

CHARACTERS = 50_000
"""The most characters that are tokenized at a time, unless one pair has more."""

FEW = 4
"""The pairs of a batch while the pace is not known, and the fewest of a part."""

_USED = 1.15
"""What a batch may take, as a part of the time left. A call may be late by a batch; with less than
the time left, the machine would stand still at the end of each budget."""

_SOONEST = 3
"""A batch takes at most a third of its leader's budget, so that new requests wait little."""

_LONGER = 6
"""A batch may take that many times as long as a pair alone, whatever its leader's budget: what
every batch takes, however small, is then a small part. A pair took 4 ms, and 40 took 59 ms."""

_PART = 2 / 3
"""How much of a request's share of the time left is sorted by length. Pairs are out of order only
within such a part, all of which is surely scored in time."""

_PADDING = 0.5
"""How long the padding of a batch may take, as a part of what the smallest batch takes. With more,
a batch of their own is better for the shortest pairs."""


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

    def next(self, limit: float, share: float) -> list[Item]:
        """The pairs that may be scored next, whatever their order.

        Args:
            limit: The most tokens that a batch may have in the time left.
            share: The tokens that the request may have scored until its deadline.
        """
        if not self.part:
            self.part = _beginning(self.ready, _PART * share, FEW)
        first = _padded_beginning(self.part, limit)
        return first if first or not self.request.has_nothing else self.ready[:1]

    def behind(self, batch: Sequence[Item], share: float) -> list[Item]:
        """The pairs behind the part if all of the part is in the batch; otherwise none.

        Args:
            batch: The batch.
            share: As for `next`.
        """
        part = set(map(id, self.part))
        if not part <= set(map(id, batch)):
            return []
        rest = [item for item in self.ready if id(item) not in part]
        return _beginning(rest, share - sum(item.tokens for item in self.part), 0)

    def drop(self, taken: set[int]) -> None:
        """Forgets pairs that are in a batch, by their object ids."""
        self.ready = [item for item in self.ready if id(item) not in taken]
        self.part = [item for item in self.part if id(item) not in taken]


class _Batch:
    """A batch that is being made around the longest pair of its leader.

    Args:
        first: The pair.
        most: The most tokens, padding included, unless the first pair alone has more.
        pace: How long batches take.
    """

    def __init__(self, first: Item, most: float, pace: Pace) -> None:
        self.items = [first]
        self._first = first
        self._longest = self._tokens = first.tokens
        self._most = most
        self._pace = pace
        self._spare = _PADDING * pace.seconds(1)

    def fill(self, items: Iterable[Item], limits: Mapping[Request, float]) -> None:
        """Adds pairs that need little padding, those of about the first pair's length first.

        Args:
            items: Pairs that may be scored next; those of requests with other options are not used.
            limits: The most tokens that a batch with pairs of each request may have.
        """
        for item in sorted(items, key=self._distance):
            if item is self._first or item.request.options != self._first.request.options:
                continue
            longest = max(self._longest, item.tokens)
            padded = (len(self.items) + 1) * longest
            tokens = self._tokens + item.tokens
            most = min(self._most, limits[item.request])
            padding = self._pace.seconds(padded) - self._pace.seconds(tokens)
            if padded <= most and padding <= self._spare:
                self.items.append(item)
                self._longest, self._tokens, self._most = longest, tokens, most

    def _distance(self, item: Item) -> tuple[int, int]:
        """Sorting key for pairs of about the first one's length; of equal ones the first ranks."""
        return abs(item.tokens - self._first.tokens), item.position


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

        A slice is as long as the request's share of the machine until its deadline allows, and the
        next one is wanted when half of that is left: tokenizing pairs that are not scored in the
        end takes time too.
        """
        wanting = [
            waiting
            for waiting in self._in_order(now)
            if not waiting.request.is_read
            and len(waiting.ready) < min(self._slice(waiting, pace, now) / 2, SLICE)
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
        return int(min(max(LEAST, share / self._length), MOST))

    def ready(self, items: list[Item]) -> None:
        """Takes the tokenized pairs of one slice, longest first."""
        mean = sum(item.tokens for item in items) / len(items)
        self._length = (self._length + mean) / 2 if self._length else mean
        if waiting := self._waiting.get(items[0].request):
            waiting.ready += sorted(items, key=_place)

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
        if not pace.known:
            order = order[:1]
        limits = {each.request: pace.tokens(each.left(now)) for each in order}
        callers = len(self._waiting)
        shares = [limit / callers if pace.known else 0.0 for limit in limits.values()]
        parts = [
            each.next(limits[each.request], share)
            for each, share in zip(order, shares, strict=True)
        ]
        for leader, part in zip(order, parts, strict=True):
            if part:
                options, time = leader.request.options, leader.request.budget / _SOONEST
                first = min(part, key=by_falling_length)
                most = pace.tokens(max(time, _LONGER * pace.seconds(first.tokens)))
                batch = _Batch(first, min(most, budget(options), limits[leader.request]), pace)
                batch.fill(chain(*parts), limits)
                behind = map(_Waiting.behind, order, repeat(tuple(batch.items)), shares)
                batch.fill(chain(*behind), limits)
                return self._taken(batch.items)
        return []

    def hopeless(self, pace: Pace, now: float) -> list[Request]:
        """Requests with some scores whose time left does not allow their next pair.

        No later pair is scored instead: it would stand before this one in the ranking.
        """
        return [
            waiting.request
            for waiting in self._in_order(now)
            if waiting.ready
            and not (waiting.request.has_nothing or waiting.request.under_way)
            and waiting.ready[0].tokens > pace.tokens(waiting.left(now))
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
            if request.is_read and not waiting.ready:
                del self._waiting[request]
        return sorted(batch, key=by_falling_length)


def _beginning(items: list[Item], tokens: float, least: int) -> list[Item]:
    """The first pairs that have so many tokens together; at least so many pairs."""
    sums = accumulate(item.tokens for item in items)
    fitting = sum(1 for _ in takewhile(lambda total: total <= tokens, sums))
    return items[: max(fitting, least)]


def _padded_beginning(items: list[Item], tokens: float) -> list[Item]:
    """The first pairs that have at most so many tokens when all are padded to the longest."""
    longest = accumulate((item.tokens for item in items), max)
    padded = (count * most for count, most in enumerate(longest, start=1))
    return items[: sum(1 for _ in takewhile(lambda total: total <= tokens, padded))]


def _place(item: Item) -> tuple[int, int]:
    """Sorting key for the order in which the request was given."""
    return item.position, item.window
