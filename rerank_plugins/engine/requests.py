"""Requests, which are the futures that callers hold, and their tokenized pairs."""

import logging
import math
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np

from rerank_plugins.backends.contract import PairOptions, Prepared
from rerank_plugins.engine.collected import Collected
from rerank_plugins.engine.condition import SafeCondition
from rerank_plugins.engine.meter import Meter
from rerank_plugins.results import PairScores
from rerank_plugins.tokens.windows import ALL_WINDOWS

_log = logging.getLogger(__name__)


class Request(Future[PairScores]):
    """Pairs on their way to scores, and the future that the caller holds.

    It stays pending until it is done, so it can be cancelled at any time before. A pair that the
    caller gave several times is scored once: two batches could give its copies logits that differ
    in the last digits, and a ranking would no longer keep their order. A pair that is cut into
    windows has the score of the best one.

    Args:
        pairs: The (query, passage) pairs to score; `()` loads the model and checks the options.
        options: How they are scored.
        timeout: Seconds after which it fails; `None` waits as long as it takes.
        deadline: When its time budget ends, on the clock of `time.monotonic`; `None` is never.
        max_queue_pairs: The most pairs without a score that the queue may hold with it; `None` is
            no limit.
        progress_bar: Whether to show a tqdm bar.

    Attributes:
        pairs: Different pairs to score; dropped when the request is done.
        size: How many different pairs there are.
        asked: How many pairs the caller gave, copies included.
        read: How many different pairs the tokenizer has taken.
        windows: The windows that it takes of a pair that is cut into windows. With a time budget
            it takes the first of all pairs, and then the others.
        left: How many of the caller's pairs have no score yet, or not that of all windows.
        under_way: How many pairs and windows are in a batch that is running.
        fails_at: When it fails, on the clock of `time.monotonic`; infinity is never.
        deadline: When its time budget ends; infinity is never.
        budget: How many seconds its time budget was.
        meter: Measures the work for it.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        options: PairOptions,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        max_queue_pairs: int | None = None,
        progress_bar: bool = False,
    ) -> None:
        super().__init__()
        self._condition = SafeCondition()
        numbers: dict[tuple[str, str, str, str], int] = {}
        places = [
            numbers.setdefault(
                (query, text, getattr(text, "header", ""), getattr(text, "footer", "")),
                len(numbers),
            )
            for query, text in pairs
        ]
        self.pairs: Sequence[tuple[str, str]] = [(query, text) for query, text, *_ in numbers]
        self.options = options
        self.timeout = timeout
        self.fails_at = math.inf if timeout is None else time.monotonic() + timeout
        self.deadline = math.inf if deadline is None else deadline
        self.budget = self.deadline - time.monotonic()
        self.max_queue_pairs = max_queue_pairs
        self._progress_bar = progress_bar
        self.size = len(self.pairs)
        self._places = np.array(places, dtype=np.intp)  # of the caller's pairs among ours
        self._copies: list[int] = np.bincount(self._places, minlength=self.size).tolist()
        self.asked = self.left = len(self._places)
        self.read = self.under_way = 0
        self.windows = ALL_WINDOWS if deadline is None else slice(0, 1)
        lengths = (len(query) + len(passage) for query, passage in self.pairs)
        self._characters = list(accumulate(lengths, initial=0))  # in the pairs before each
        self._collected = Collected(self.size)
        self.meter = Meter()
        self._bar: Any = None

    def next_slice(self, pairs: int, characters: int) -> slice:
        """Marks the next pairs as read, at most so many but at least one; returns their place."""
        if self.read and self.read == self.size:  # all first windows are tokenized
            self.read, self.windows = 0, slice(1, None)
        start = self.read
        fitting = bisect_right(self._characters, self._characters[start] + characters) - 1
        self.read = min(max(fitting, start + 1), start + pairs, self.size)
        return slice(start, self.read)

    def items(self, start: int, prepared: Prepared) -> "list[Item]":
        """The prepared pairs as items, longest first; `start` is the position of the first pair."""
        places = self._collected.expect(start, prepared)
        items = [
            Item(self, *place, tokens, given)
            for place, tokens, given in zip(places, prepared.tokens, prepared.inputs, strict=True)
        ]
        return sorted(items, key=by_falling_length)

    @property
    def is_read(self) -> bool:
        """Whether all of it is tokenized."""
        return self.read == self.size and self._collected.is_read

    @property
    def is_dated(self) -> bool:
        """Whether the clock must be watched for it."""
        return min(self.fails_at, self.deadline) < math.inf

    @property
    def has_nothing(self) -> bool:
        """Whether no pair has a score, and none is in a batch that is running."""
        return self._collected.is_empty and not self.under_way

    def is_over(self, now: float) -> bool:
        """Whether the time budget has ended, and no batch with its pairs is running."""
        return self.deadline <= now and not self.under_way

    def put(self, item: "Item", logit: np.float32) -> int:
        """Stores one score and returns how many of the caller's pairs it completed."""
        self.under_way -= 1
        self.meter.read(item.tokens)
        if not self._collected.put(item.position, item.window, logit):
            return 0
        copies = self._copies[item.position]
        self.left -= copies
        return copies

    def finish(self) -> None:
        """Gives the caller the scores that there are, unless the request is done."""
        scores = replace(self._collected.scores().at(self._places), work=self.meter.work())
        with _logged():
            self.set_result(scores)

    def fail(self, error: BaseException) -> None:
        """Gives the caller the error, unless the request is done."""
        with _logged():
            self.set_exception(error)

    def start_bar(self) -> None:
        """Shows a progress bar over the pairs if the caller asked for one."""
        if self._progress_bar and self.size:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self.asked, unit="pair", desc="Scoring")

    def move_bar(self, scored: int) -> None:
        """Moves the bar, if there is one, by the number of the caller's pairs just scored."""
        if self._bar is not None:
            self._bar.update(scored)

    def let_go(self) -> None:
        """Drops what is no longer needed, because the caller may keep the future for long."""
        self.pairs, self._characters = (), []
        if self._bar is not None:
            with suppress(Exception):
                self._bar.close()


@contextmanager
def _logged() -> Iterator[None]:
    """Logs what a callback raises, so that other callers of the thread are not affected."""
    try:
        yield
    except InvalidStateError:
        pass  # cancelled, or it has failed
    except BaseException:
        # The future logs an `Exception` itself; this is `SystemExit` or the like.
        _log.exception("A callback of a request's future raised")


@dataclass(slots=True, eq=False)
class Item:
    """One prepared pair of a request, or one window of it.

    Attributes:
        request: The request that the pair belongs to.
        position: Where the pair stands in the request.
        window: The number of the window of the pair, from 0.
        tokens: How many tokens it has.
        given: What the backend's `logits` takes for it.
    """

    request: Request
    position: int
    window: int
    tokens: int
    given: Any


def by_falling_length(item: Item) -> int:
    """Sorting key for longest first; pairs of equal length keep their order."""
    return -item.tokens
