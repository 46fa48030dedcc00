"""Small frozen values that leave the core: plain Python numbers, nothing to mutate."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.errors import InvalidInputError

ScoreScale: TypeAlias = Literal["probability", "logit"]
"""`"logit"`: the model's raw output, any real number. `"probability"`: its sigmoid, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One passage in a ranking.

    Attributes:
        index: Position of the passage in the list that was given, from 0.
        score: Relevance on `scale`, higher is better.
        scale: `"probability"` or `"logit"`.
        truncated: Whether the model read the pair only in part, because it is longer than
            `max_length` tokens. `None` where the scorer cannot tell.
    """

    index: int
    score: float
    scale: ScoreScale
    truncated: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """What a scorer gives for n pairs, in their order.

    Lists and arrays of other types of numbers are taken too.

    Attributes:
        logits: float32, shape `(n,)`.
        truncated: bool, shape `(n,)`: the pair was cut at `max_length`. `None` if not known.

    Raises:
        InvalidInputError: The logits are no list of numbers, or `truncated` is not of their size.
    """

    logits: NDArray[np.float32]
    truncated: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        logits = _array(self.logits, np.float32)
        if logits is None or logits.ndim != 1:
            message = (
                "PairScores takes one number per pair as logits, a list or an array of shape (n,), "
                f"but got {self.logits!r:.60}."
            )
            raise InvalidInputError(message)
        object.__setattr__(self, "logits", logits)
        if self.truncated is None:
            return
        truncated = _array(self.truncated, np.bool_)
        if truncated is None or truncated.shape != logits.shape:
            message = (
                f"PairScores takes truncated=None, or one True or False for each of the "
                f"{len(logits)} pairs, but got {self.truncated!r:.60}."
            )
            raise InvalidInputError(message)
        object.__setattr__(self, "truncated", truncated)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a scorer has scored so far.

    Attributes:
        pairs: How many (query, passage) pairs.
        truncated: How many of them the model read only in part, because they are longer than
            `max_length` tokens. `None` where the scorer cannot tell of all of them.
    """

    pairs: int = 0
    truncated: int | None = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is run, and why that way.

    Attributes:
        backend: `"torch"`, `"onnx"` or `"openvino"`.
        precision: `"fp32"`, `"bf16"`, `"fp16"` or `"int8"`.
        reason: Why these, where they were not asked for.
        threads: Threads that share the work of a batch; `None`: the backend's own choice.
        streams: Batches at a time; `None` where the backend has no such notion.
    """

    backend: str
    precision: str
    reason: str
    threads: int | None = None
    streams: int | None = None


def _array(values: Any, dtype: Any) -> NDArray[Any] | None:
    """The values as an array of that type; `None` if they are no such values."""
    try:
        with np.errstate(over="ignore"):  # infinity is refused by whoever asked for scores
            return np.asarray(values, dtype=dtype)
    except (TypeError, ValueError, RuntimeError):  # the last of a tensor that needs a gradient
        return None
