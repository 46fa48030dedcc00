"""The interface of every backend."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.models.own_settings import OwnSettings
from rerank_plugins.results import Plan
from rerank_plugins.texts.windows import Place
from rerank_plugins.tokens.windows import ALL_WINDOWS


@dataclass(frozen=True, slots=True)
class PairOptions:
    """How pairs are scored; scorers that share a model may differ in these options.

    All but the last are options of a scorer, and a `None` leaves the choice to the model.

    Attributes:
        from_left: Whether a text that is too long loses its beginning, and not its end.
    """

    max_length: int | None = None
    max_batch_tokens: int | None = None
    prompt: str | None = None
    label: int | str | None = None
    long_passages: str | None = None
    window_tokens: int | None = None
    window_overlap: int | None = None
    max_windows: int | None = None
    from_left: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """n pairs, prepared for a model, in their order.

    Attributes:
        inputs: The input of `Backend.logits` for each pair, or for each window of each pair.
        tokens: Their lengths, for sorting and limiting batches.
        truncated: Whether something of each pair is in no input; `None` if that is unknown.
        windows: Where the windows of each pair are in its passage's text; `None` if pairs are not
            cut into windows.
        more: Whether each pair has windows behind those that were asked for; `None` as `windows`.
        counted: Whether `tokens` are true; a model that builds its own input has only limits.
    """

    inputs: Sequence[Any]
    tokens: Sequence[int]
    truncated: Sequence[bool] | None
    windows: Sequence[Sequence[Place]] | None = None
    more: Sequence[bool] | None = None
    counted: bool = True


class Backend(Protocol):
    """A loaded model. It works in two steps: one thread prepares pairs while another scores.

    `check` and `prepare` are called from one thread at a time, and so is `logits`.
    """

    folder: Path
    """Where the model's files lie; a loader sets it."""

    own_settings: OwnSettings
    """What the model's folder says about how to use the model."""

    @property
    def plan(self) -> Plan:
        """How the model runs."""

    @property
    def tokenizer(self) -> str | None:
        """The model's fast tokenizer in its JSON form; `None` if it has none."""

    def length(self, options: PairOptions) -> int:
        """The most tokens of a pair that are read at once."""

    def check(self, options: PairOptions) -> None:
        """Raises the errors that the other methods would raise for these options with any pairs."""

    def batch_tokens(self, options: PairOptions) -> int:
        """The most tokens per batch, including padding."""

    def prepare(
        self, pairs: Sequence[tuple[str, str]], options: PairOptions, windows: slice = ALL_WINDOWS
    ) -> Prepared:
        """Prepares pairs for `logits`; of pairs that are cut into windows, these windows."""

    def logits(self, inputs: Sequence[Any], options: PairOptions) -> NDArray[np.float32]:
        """The logits of one batch of b prepared pairs, shape `(b,)`."""
