"""Results of the core: small frozen values with plain Python numbers."""

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
            `max_length` tokens. `None` if the scorer cannot tell.
    """

    index: int
    score: float
    scale: ScoreScale
    truncated: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """A scorer's answer for n pairs, in their order.

    Lists and arrays of other number types are converted.

    Attributes:
        logits: float32, shape `(n,)`.
        truncated: bool, shape `(n,)`: whether the pair was cut at `max_length`. `None` if the
            scorer does not know.

    Raises:
        InvalidInputError: The logits are not a list of numbers, or `truncated` has another
            length.
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
    """Counts of the pairs that a scorer has scored so far.

    Attributes:
        pairs: Number of (query, passage) pairs.
        truncated: Number of pairs that the model read only in part, because they are longer than
            `max_length` tokens. `None` if the scorer cannot tell for all of them.
    """

    pairs: int = 0
    truncated: int | None = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is run, and why.

    Attributes:
        backend: `"torch"`, `"onnx"` or `"openvino"`.
        precision: `"fp32"`, `"bf16"`, `"fp16"` or `"int8"`.
        reason: Why backend and precision were chosen, as far as the options did not set them.
        threads: Threads that share the work of a batch; `None` if the backend chooses.
        streams: Batches that run at the same time; `None` if the backend has no such setting.
    """

    backend: str
    precision: str
    reason: str
    threads: int | None = None
    streams: int | None = None


def _array(values: Any, dtype: Any) -> NDArray[Any] | None:
    """The values as an array of that type; `None` if they cannot be converted."""
    try:
        with np.errstate(over="ignore"):  # infinity is refused later, with the pair it belongs to
            return np.asarray(values, dtype=dtype)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor that needs a gradient
        return None
