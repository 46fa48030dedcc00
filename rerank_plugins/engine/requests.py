"""What travels through the engine: a request, which is the caller's future, and its pairs."""

import logging
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from rerank_plugins.backends.contract import PairOptions, Prepared
from rerank_plugins.engine.condition import SafeCondition
from rerank_plugins.results import PairScores

_log = logging.getLogger(__name__)


class Request(Future[PairScores]):
    """Pairs on their way to scores, as the future that the caller holds.

    It counts as pending until it is done, so that it can be cancelled at any time before.

    Args:
        pairs: The (query, passage) pairs to score; `()` loads the model and checks the options.
        options: How they are scored.
        places: Which of the pairs each of the n that the caller gave is; `None`: they are the same.
        timeout: Seconds in which it was to be done, for the error message.
        deadline: When it fails at the latest, on the clock of `time.monotonic`.

    Attributes:
        pairs: Let go when the request is done.
        size: How many pairs are to be scored.
        asked: How many pairs the caller gave, copies included.
        read: How many pairs the tokenizer has taken.
        left: How many of those that the caller gave have no score yet.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        options: PairOptions,
        *,
        places: Sequence[int] | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> None:
        super().__init__()
        self._condition = SafeCondition()
        self.pairs = pairs
        self.options = options
        self.timeout = timeout
        self.deadline = deadline
        self.size = len(pairs)
        self._places = np.array(range(self.size) if places is None else places, dtype=np.intp)
        self._copies: list[int] = np.bincount(self._places, minlength=self.size).tolist()
        self.asked = self.left = len(self._places)
        self.read = 0
        lengths = (len(query) + len(passage) for query, passage in pairs)
        self._characters = list(accumulate(lengths, initial=0))  # of the pairs before each
        self._scores = PairScores(
            logits=np.empty(len(pairs), dtype=np.float32),
            truncated=np.zeros(len(pairs), dtype=np.bool_),
        )
        self._bar: Any = None

    def next_slice(self, pairs: int, characters: int) -> slice:
        """What to tokenize next, now marked as read: at most so much, but one pair at least."""
        start = self.read
        fitting = bisect_right(self._characters, self._characters[start] + characters) - 1
        self.read = min(max(fitting, start + 1), start + pairs, self.size)
        return slice(start, self.read)

    def items(self, start: int, prepared: Prepared) -> "list[Item]":
        """The prepared pairs as items, the longest first; `start` is the first one's position."""
        truncated = self._scores.truncated
        if prepared.truncated is None:
            self._scores = PairScores(logits=self._scores.logits)
        elif truncated is not None:
            truncated[start : start + len(prepared.truncated)] = prepared.truncated
        items = [
            Item(self, position, tokens, given)
            for position, (tokens, given) in enumerate(
                zip(prepared.tokens, prepared.inputs, strict=True), start
            )
        ]
        return sorted(items, key=by_falling_length)

    def put(self, position: int, logit: np.float32) -> int:
        """Takes one pair's score; returns how many of the caller's pairs have it now."""
        self._scores.logits[position] = logit
        self.left -= self._copies[position]
        return self._copies[position]

    def finish(self) -> None:
        """Gives the caller the scores, unless the request was cancelled or has failed."""
        logits, truncated = self._scores.logits, self._scores.truncated
        scores = PairScores(
            logits=logits[self._places],
            truncated=None if truncated is None else truncated[self._places],
        )
        with _others_spared():
            self.set_result(scores)

    def fail(self, error: BaseException) -> None:
        """Gives the caller the error, unless the request is done."""
        with _others_spared():
            self.set_exception(error)

    def start_bar(self) -> None:
        """Shows a progress bar over the pairs if the options ask for one."""
        if self.options.progress_bar and self.size:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self.asked, unit="pair", desc="Scoring")

    def move_bar(self, scored: int) -> None:
        """Tells the bar, if there is one, how many of the caller's pairs were just scored."""
        if self._bar is not None:
            self._bar.update(scored)

    def let_go(self) -> None:
        """Drops what is of no use any more; the caller may keep the future for long."""
        self.pairs, self._characters = (), []
        if self._bar is not None:
            with suppress(Exception):
                self._bar.close()


@contextmanager
def _others_spared() -> Iterator[None]:
    """Keeps what comes after from what a callback raises: the thread works for others too."""
    try:
        yield
    except InvalidStateError:
        pass  # cancelled, or it has failed
    except BaseException:
        # Exceptions are logged by the future itself; what ends processes ends none here.
        _log.exception("A callback of a request's future raised")


@dataclass(slots=True, eq=False)
class Item:
    """One prepared pair of a request.

    Attributes:
        request: Whose pair it is.
        position: The pair's place in the request.
        tokens: Its length.
        given: What the backend's `logits` takes for it.
    """

    request: Request
    position: int
    tokens: int
    given: Any


def by_falling_length(item: Item) -> int:
    """Sorting key; Python's sort keeps equals in their order."""
    return -item.tokens
