"""The open requests of an engine: those whose turn comes, and those in line for room."""

from collections.abc import Iterator
from concurrent.futures import Future

from rerank_plugins.engine.condition import SafeCondition
from rerank_plugins.engine.requests import Request
from rerank_plugins.engine.room import Room
from rerank_plugins.engine.turns import Turns
from rerank_plugins.results import PairScores


class OpenRequests:
    """The requests that are not done, in the order of their calls; used under the engine's lock.

    A signal's handler may raise an exception between any two steps (see `condition`), so the steps
    come in an order in which none of them does harm alone, and `clean_up` does what is left.

    Args:
        room: Where their pairs are counted, and where those wait that find no room.
        turns: What decides whose pairs are scored next.
        changed: The engine's lock, notified whenever its threads may have something new to do.
    """

    def __init__(self, room: Room, turns: Turns, changed: SafeCondition) -> None:
        self._room = room
        self._turns = turns
        self._changed = changed
        self._requests: dict[Future[PairScores], Request] = {}

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        """Goes over a copy: a request that fails or finishes on the way is removed."""
        return iter(list(self._requests.values()))

    def __contains__(self, request: Request) -> bool:
        return request in self._requests

    def add(self, request: Request) -> None:
        """Takes a new request, at the end of the line if there is no room for it."""
        (self._turns.add if self._room.fits(request) else self._room.line_up)(request)
        self._requests[request] = request
        self._room.enter(request)
        self._changed.notify_all()

    def remove(self, request: Request) -> None:
        """Forgets a request that is done."""
        if request in self._requests:
            self._room.leave(request)
            self._turns.discard(request)
            del self._requests[request]  # the last of the three: until then, `clean_up` does them
            self.let_in()
            self._changed.notify_all()

    def let_in(self) -> None:
        """Moves requests from the line to the others while there is room for the first one."""
        while request := self._room.first():
            self._turns.add(request)  # before it leaves the line: interrupted, it is not lost
            self._room.leave_line(request)
            self._changed.notify_all()

    def clean_up(self) -> None:
        """Finishes what interrupted calls of `cancel()` left undone."""
        for request in self:
            if request.done():
                self.remove(request)
        self.let_in()
