"""What every backend answers to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.results import Plan


@dataclass(frozen=True, slots=True)
class PairOptions:
    """How pairs are scored; unlike `ModelSettings`, free to differ between sharers of a model."""

    max_length: int | None = None
    max_batch_tokens: int | None = None
    prompt: str | None = None
    label: int | str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """n pairs made ready for a model, in their order.

    Attributes:
        inputs: What `Backend.logits` takes for each.
        tokens: Their lengths, by which batches are sorted and bounded.
        truncated: Whether each was cut at `max_length`; `None` if not known.
    """

    inputs: Sequence[Any]
    tokens: Sequence[int]
    truncated: Sequence[bool] | None


class Backend(Protocol):
    """A loaded model, in two steps that overlap: one thread prepares pairs, another scores them.

    `check` and `prepare` are called from one thread at a time, and so is `logits`.
    """

    @property
    def plan(self) -> Plan:
        """How it runs the model."""

    def check(self, options: PairOptions) -> None:
        """Raises what the other methods would raise for these options, whatever the pairs."""

    def batch_tokens(self, options: PairOptions) -> int:
        """Most tokens of a batch, padding included."""

    def prepare(self, pairs: Sequence[tuple[str, str]], options: PairOptions) -> Prepared:
        """Makes pairs ready for `logits`."""

    def logits(self, inputs: Sequence[Any], options: PairOptions) -> NDArray[np.float32]:
        """Runs one batch of b prepared pairs: their logits, shape `(b,)`."""
