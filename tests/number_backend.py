"""A backend without a model, for the engine's own logic: a pair's logit is made of its texts."""

import threading
import zlib
from collections.abc import Sequence
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.contract import PairOptions, Prepared
from rerank_plugins.errors import LabelRequiredError
from rerank_plugins.tokens.windows import ALL_WINDOWS

Pair = tuple[str, str]

POISON = "poison"
"""A word that makes every batch with it fail."""


class NumberBackend:
    """Counts words as tokens, fails where it is told to, and keeps a diary.

    Args:
        budget: Most tokens of a batch.
        memory: Tokens of a batch, padding included, from which on it is out of memory.
        gate: Every batch takes a permit of it before it is run.

    Attributes:
        memory: As given; may be changed.
        begun: Every batch when it begins, before the gate.
        batches: Every batch that was run.
        prepared: How many pairs have been prepared.
        overlapping: Whether two threads were in `prepare`, or two in `logits`, at once.
    """

    def __init__(
        self,
        *,
        budget: int = 100,
        memory: int | None = None,
        gate: threading.Semaphore | None = None,
    ) -> None:
        self._budget = budget
        self.memory = memory
        self._gate = gate
        self._preparing, self._scoring = threading.Lock(), threading.Lock()
        self.begun: SimpleQueue[list[Pair]] = SimpleQueue()
        self.batches: list[list[Pair]] = []
        self.prepared = 0
        self.overlapping = False

    def open_gate(self) -> None:
        """Lets all batches through."""
        if self._gate is not None:
            self._gate.release(100_000)

    def check(self, options: PairOptions) -> None:
        if options.label == "missing":
            message = "label='missing' is not one of the columns"
            raise LabelRequiredError(message)

    tokenizer = None

    def length(self, options: PairOptions) -> int:
        return options.max_length or 100

    def batch_tokens(self, options: PairOptions) -> int:
        return options.max_batch_tokens or self._budget

    def prepare(
        self, pairs: Sequence[Pair], options: PairOptions, windows: slice = ALL_WINDOWS
    ) -> Prepared:
        self.overlapping |= not self._preparing.acquire(blocking=False)
        if any("no tokens" in passage for _, passage in pairs):
            self._preparing.release()
            message = "cannot be tokenized"
            raise ValueError(message)
        lengths = [words(pair) for pair in pairs]
        longest = options.max_length or max(lengths, default=0)
        self.prepared += len(pairs)
        self._preparing.release()
        return Prepared(
            inputs=pairs,
            tokens=[min(length, longest) for length in lengths],
            truncated=[length > longest for length in lengths],
        )

    def logits(self, inputs: Sequence[Pair], options: PairOptions) -> NDArray[np.float32]:
        self.overlapping |= not self._scoring.acquire(blocking=False)
        self.begun.put(list(inputs))
        if self._gate is not None:
            self._gate.acquire()
        self.batches.append(list(inputs))
        self._scoring.release()
        if self.memory is not None and len(inputs) * max(map(words, inputs)) >= self.memory:
            message = "DefaultCPUAllocator: can't allocate memory"
            raise RuntimeError(message)
        if any(POISON in passage for _, passage in inputs):
            message = "poisoned batch"
            raise ValueError(message)
        return numbers(inputs)


def numbers(pairs: Sequence[Pair]) -> NDArray[np.float32]:
    """The logits that the backend gives these pairs."""
    return np.array([zlib.crc32(f"{q}|{p}".encode()) / 2**32 for q, p in pairs], dtype=np.float32)


def words(pair: Pair) -> int:
    """Words of both texts."""
    return len(pair[0].split()) + len(pair[1].split())


def some_pairs(name: str, size: int, length: int = 5) -> list[Pair]:
    """`size` different pairs of `length` words each, recognisable by their query."""
    return [(name, f"{number} {'x ' * (length - 2)}") for number in range(size)]
