"""How many pairs may wait for the model, and the line of requests that wait for room."""

from collections import OrderedDict

from rerank_plugins.engine.requests import Request


class Room:
    """Counts the pairs without a score, and keeps requests in line that find no room.

    It knows no threads: the engine uses it under its lock. An interrupted call (see `condition`)
    may leave a count too low, which lets more pairs in, but never too high, which would keep
    requests in line for ever.

    Attributes:
        pairs: How many pairs of all open requests have no score yet, including those in line.
    """

    def __init__(self) -> None:
        self.pairs = 0
        self._line: OrderedDict[Request, None] = OrderedDict()
        self._pairs_in_line = 0

    def fits(self, request: Request) -> bool:
        """Whether a new request may enter the queue now."""
        return _fits(request, self.pairs)

    def enter(self, request: Request) -> None:
        """Counts the pairs of a new request."""
        self.pairs += request.asked

    def leave(self, request: Request) -> None:
        """Forgets a request that is done, wherever it is."""
        self.leave_line(request)
        self.pairs -= request.left
        request.left = 0

    def line_up(self, request: Request) -> None:
        """Puts a request at the end of the line."""
        self._pairs_in_line += request.asked
        self._line[request] = None

    def leave_line(self, request: Request) -> None:
        """Takes a request out of the line if it is in it."""
        if request in self._line:
            del self._line[request]
            self._pairs_in_line -= request.asked

    def first(self) -> Request | None:
        """The first request in line, if there is room for it now."""
        for request in self._line:
            return request if _fits(request, self.pairs - self._pairs_in_line) else None
        return None


def _fits(request: Request, waiting: int) -> bool:
    """Whether a request may join this many waiting pairs; it always may if there are none."""
    limit = request.max_queue_pairs
    return limit is None or waiting <= 0 or not request.asked or waiting + request.asked <= limit
