"""Decides which pairs are tokenized next and which go into the next batch, without threads.

There are two lanes. Short requests are served in the order of their arrival. Long requests take
turns at the tokenizer, slice by slice, and so do short ones with very long texts. The tokenized
pairs of long requests lie in one pool, sorted by length. The pool is emptied before newly tokenized
pairs enter it; otherwise its shortest pairs would wait for the end of the longest request.

A batch is led by one lane and filled up with pairs of similar length. A batch of the long lane is
filled from both lanes, a batch of the short lane only from its own: pairs of long requests could
double the time of a few short ones, and they lose nothing by waiting for their turn.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rerank_plugins.backends.contract import PairOptions
from rerank_plugins.engine.requests import Item, Request, by_falling_length

SLICE = 256
"""The most pairs that are tokenized at a time. A request with more is long."""

CHARACTERS = 200_000
"""The most characters that are tokenized at a time, unless one pair has more. Windows are cut at a
million characters per second, and the first batch waits for the first slice."""

WINDOW = 4 * SLICE
"""How many pairs of a lane are tokenized ahead: enough to sort by length, few enough to keep."""

LONG_TURN = 4
"""While both lanes have pairs, every fourth batch is led by the long lane."""

_SIMILAR = 0.75
"""How long a pair must be to fill up a batch, as a part of its longest; the rest is padding."""


@dataclass(slots=True)
class _Lane:
    """Requests with pairs to tokenize, and tokenized pairs that wait for a batch.

    Attributes:
        pooled: Whether the pairs of all requests are sorted together. Otherwise requests keep
            their order, and the pairs of each request are sorted.
        unread: Requests with pairs that are not tokenized yet.
        ready: Pairs to make batches of.
        next: In a pooled lane, pairs that become ready once all ready ones have been drawn.
    """

    pooled: bool
    unread: deque[Request] = field(default_factory=deque)
    ready: list[Item] = field(default_factory=list)
    next: list[Item] = field(default_factory=list)

    def wants_to_read(self) -> bool:
        ahead = self.next if self.pooled else self.ready
        return bool(self.unread) and len(ahead) < WINDOW

    def add(self, items: list[Item]) -> None:
        (self.next if self.pooled else self.ready).extend(items)

    def has_ready(self) -> bool:
        if not self.ready:
            self.ready, self.next = sorted(self.next, key=by_falling_length), []
        return bool(self.ready)

    def leaders(self) -> list[Item]:
        """The pairs that a batch led by this lane is made of, longest first."""
        if self.pooled:
            return self.ready
        first = self.ready[0].request
        return sorted((item for item in self.ready if item.request is first), key=by_falling_length)


class Schedule:
    """The requests of one model and their order; used under the engine's lock."""

    def __init__(self) -> None:
        self._short = _Lane(pooled=False)
        self._long = _Lane(pooled=True)
        self._last_read = self._long
        self._led_by_short = 0

    def add(self, request: Request) -> None:
        """Puts a new request behind the others of its lane."""
        self._lane(request).unread.append(request)

    def next_slice(self) -> tuple[Request, slice] | None:
        """The next pairs to tokenize, marked as read; `None` while enough pairs lie ready."""
        lanes = [lane for lane in (self._short, self._long) if lane.wants_to_read()]
        if not lanes:
            return None
        self._last_read = lanes[-1] if self._last_read is lanes[0] else lanes[0]
        request = self._last_read.unread.popleft()
        part = request.next_slice(SLICE, CHARACTERS)
        if request.read < request.size:
            self._last_read.unread.append(request)
        return request, part

    def ready(self, items: list[Item]) -> None:
        """Takes the tokenized pairs of one slice, longest first."""
        if items:
            self._lane(items[0].request).add(items)

    def has_ready(self) -> bool:
        """Whether a pair could be put in a batch."""
        return self._short.has_ready() or self._long.has_ready()

    def draw(self, budget: Callable[[PairOptions], int]) -> list[Item]:
        """The next batch, its longest pair first; `[]` if nothing is ready.

        Args:
            budget: The most tokens of a batch for given options, padding included. A pair with
                more is a batch of its own.
        """
        lanes = [lane for lane in self._lanes_by_turn() if lane.has_ready()]
        if not lanes:
            return []
        leaders = lanes[0].leaders()
        options, longest = leaders[0].request.options, leaders[0].tokens
        room = max(1, budget(options) // max(1, longest))
        batch = [item for item in leaders if item.request.options == options][:room]
        if lanes[0] is self._short:
            lanes = [self._short]
        if len(batch) < room:
            taken = set(map(id, batch))
            batch += [
                item
                for lane in lanes
                for item in (*lane.ready, *lane.next)
                if _SIMILAR * longest <= item.tokens <= longest
                and id(item) not in taken
                and item.request.options == options
            ][: room - len(batch)]
        self._remove(set(map(id, batch)))
        return batch

    def discard(self, request: Request) -> None:
        """Forgets the pairs of a request that are not in a batch yet."""
        lane = self._lane(request)
        if request in lane.unread:
            lane.unread.remove(request)
        self._remove({id(item) for item in (*lane.ready, *lane.next) if item.request is request})

    def _lane(self, request: Request) -> _Lane:
        return self._long if request.size > SLICE else self._short

    def _lanes_by_turn(self) -> Iterable[_Lane]:
        if not (self._short.has_ready() and self._long.has_ready()):
            self._led_by_short = 0
        elif self._led_by_short == LONG_TURN - 1:
            self._led_by_short = 0
            return self._long, self._short
        else:
            self._led_by_short += 1
        return self._short, self._long

    def _remove(self, taken: set[int]) -> None:
        """Removes ready pairs by their object ids."""
        if taken:
            for lane in (self._short, self._long):
                lane.ready = [item for item in lane.ready if id(item) not in taken]
                lane.next = [item for item in lane.next if id(item) not in taken]
