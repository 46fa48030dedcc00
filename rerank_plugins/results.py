"""Small frozen values that leave the core: plain Python numbers, nothing to mutate."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

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

    Attributes:
        logits: float32, shape `(n,)`.
        truncated: bool, shape `(n,)`: the pair was cut at `max_length`. `None` if not known.
    """

    logits: NDArray[np.float32]
    truncated: NDArray[np.bool_] | None = None


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
