"""How full the latest batches of a model were, and how fast they were scored."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from rerank_plugins.engine.pace import RECENT
from rerank_plugins.engine.requests import Item


@dataclass(frozen=True, slots=True)
class _Batch:
    """Pairs, tokens with and without padding, the most tokens that it may have had, seconds."""

    pairs: int
    tokens: int
    padded: int
    most: int
    seconds: float


class RecentBatches:
    """Sums over the latest batches of all devices; used under the engine's lock.

    Attributes:
        sizes: How many batches had how many pairs, since the beginning.
        lengths: How many had how many tokens together, without padding.
        inputs: How many pairs, or windows of pairs, had how many tokens.
    """

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque(maxlen=RECENT)
        self.sizes: Counter[int] = Counter()
        self.lengths: Counter[int] = Counter()
        self.inputs: Counter[int] = Counter()

    def add(self, batch: Sequence[Item], most: int, seconds: float) -> None:
        """Takes a batch that was scored.

        Args:
            batch: Its pairs, the longest first.
            most: The most tokens that it may have had, padding included.
            seconds: How long it took.
        """
        tokens = sum(item.tokens for item in batch)
        padded = len(batch) * batch[0].tokens
        self._batches.append(_Batch(len(batch), tokens, padded, most, seconds))
        self.sizes[len(batch)] += 1
        self.lengths[tokens] += 1
        self.inputs.update(item.tokens for item in batch)

    @property
    def fill(self) -> float:
        """Their tokens, padding included, as a part of the most; 0 without a batch."""
        most = sum(batch.most for batch in self._batches)
        return sum(batch.padded for batch in self._batches) / most if most else 0.0

    @property
    def pairs_per_second(self) -> float:
        """Pairs that one device scores in a second; 0 without a batch."""
        return self._per_second(sum(batch.pairs for batch in self._batches))

    @property
    def tokens_per_second(self) -> float:
        """Tokens of pairs that one device reads in a second; 0 without a batch."""
        return self._per_second(sum(batch.tokens for batch in self._batches))

    def _per_second(self, done: int) -> float:
        seconds = sum(batch.seconds for batch in self._batches)
        return done / seconds if seconds else 0.0
