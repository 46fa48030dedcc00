"""How long a batch takes, learnt from the batches that were run."""

import math
from bisect import bisect_right
from collections import defaultdict, deque
from statistics import median_low

RECENT = 64
"""How many of the latest batches count: what a busy machine taught is forgotten again."""


class Pace:
    """The seconds of a batch by its tokens, for one model on one device.

    Batches of similar size are taken together, because small ones may take longer per token. Of
    each size the median counts: a batch that had to wait for the processor says little. Between
    sizes that were seen the seconds are interpolated, and beyond the biggest they are in proportion
    to the tokens. Below the smallest, nothing says that a batch takes less.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._tokens: list[int] = []  # with the seconds, in rising order of both
        self._seconds: list[float] = []
        self._added = False

    @property
    def known(self) -> bool:
        """Whether a batch was run yet."""
        return bool(self._recent)

    def add(self, tokens: int, seconds: float) -> None:
        """Learns from a batch that was run.

        Args:
            tokens: Its tokens, padding included.
            seconds: How long it took.
        """
        self._recent.append((tokens, seconds))
        self._added = True

    def seconds(self, tokens: float) -> float:
        """How long a batch of so many tokens takes; 0 if nothing is known yet."""
        self._update()
        if not self.known:
            return 0.0
        return _along(self._tokens, self._seconds, max(tokens, self._tokens[0]))

    def tokens(self, seconds: float) -> float:
        """The most tokens of a batch that takes so long; infinity if nothing is known yet.

        In less time than a batch was seen to take, fewer tokens in proportion are worth a try.
        """
        self._update()
        return _along(self._seconds, self._tokens, seconds) if self.known else math.inf

    def _update(self) -> None:
        if not self._added:
            return
        self._added = False
        by_size: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for tokens, seconds in self._recent:
            by_size[tokens.bit_length()].append((tokens, seconds))
        self._tokens, self._seconds = [], []
        for size in sorted(by_size):
            tokens = median_low(tokens for tokens, _ in by_size[size])
            pace = median_low(seconds / tokens for tokens, seconds in by_size[size])
            self._tokens.append(tokens)
            self._seconds.append(max([pace * tokens, *self._seconds[-1:]]))


def _along(known: list[float] | list[int], values: list[float] | list[int], at: float) -> float:
    """The value at a place between known ones; beyond them, in proportion to the nearest."""
    place = bisect_right(known, at)
    if place in (0, len(known)):
        nearest = max(place - 1, 0)
        return values[nearest] * at / known[nearest]
    before, after = known[place - 1], known[place]
    part = (at - before) / (after - before)
    return values[place - 1] + part * (values[place] - values[place - 1])
