"""Results of the core: small frozen values with plain Python numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.work import Work

ScoreScale: TypeAlias = Literal["probability", "logit", "calibrated"]
"""`"logit"`: the model's raw output, any real number. `"probability"`: its sigmoid, 0 to 1.
`"calibrated"`: how often a passage with this score was relevant, 0 to 1, by a `calibration`."""

ELLIPSIS = " … "
"""What stands between parts of a text that others are left out of."""

ResultScale: TypeAlias = Literal["probability", "logit", "fused", "calibrated"]
"""The scale of a result. `"fused"` is the logit plus a bonus from the first stage, or the sigmoid
of that sum where probabilities were asked for: it orders, and is no probability."""


@dataclass(frozen=True, slots=True)
class Span:
    """A sentence of a passage, or a piece of a long one, and how well it answers.

    Attributes:
        start: Its first character in the passage's text; a header does not count.
        end: The character behind its last.
        score: What the model said of it, alone and with its paragraph, on the scale that was asked
            for; the plain probability where that is `"calibrated"`, because a calibration is for
            passages.
    """

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """One passage in a ranking.

    Attributes:
        index: Position of the passage in the list that was given, from 0.
        score: What orders the list, on `scale`; higher is better.
        scale: `"probability"`, `"logit"`, `"fused"` or `"calibrated"`.
        model_score: What the model alone said, on the scale that was asked for; beside a calibrated
            score it is the plain probability. A threshold acts on this, but a calibrated one on
            `score`. It equals `score` unless the first stage's opinion or a calibration was used.
        truncated: Whether the model read the pair only in part, because it is longer than
            `max_length` tokens, or has more than `max_windows` windows. `None` if the scorer cannot
            tell.
        windows: How many windows of the passage were scored; `None` if the scorer does not cut
            passages into windows.
        window: The window that scored best, as the first character of the passage's text and the
            one after the last; the whole text if the model reads it whole. `None` as `windows`.
        spans: The parts that answer best, best first, if `spans` asked for them. Empty, too, if the
            text has no sentence, or if a time budget ended before all of them were scored.
        kept: The parts that `compress` keeps of the text, in its order, as first characters and
            those behind the last; `None` if it keeps the whole text.
    """

    index: int
    score: float
    scale: ResultScale
    model_score: float
    truncated: bool | None = None
    windows: int | None = None
    window: tuple[int, int] | None = None
    spans: tuple[Span, ...] = ()
    kept: tuple[tuple[int, int], ...] | None = None


class RankedList(list[Ranked]):
    """A ranking, best first, and what is to be said about the list as a whole.

    Args:
        ranked: The passages that were scored and kept.
        unscored: As the attribute.
        backfill: As the attribute.
        read: As the attribute.
        work: As the attribute.

    Attributes:
        unscored: Positions of the passages that a time budget left without a score, in the order
            in which they would have been read: the first stage's, or that of the cascade's stage
            before. Empty without a time budget.
        backfill: Those of `unscored` that belong behind the scored passages in a list of `top_k`
            passages; empty with a threshold, which only a score can pass.
        read: How many passages each model read: the cascade's stages in their order, then the
            last. `()` if there were no passages.
        work: What all models together took for the call, with all of its queries. `None` if a
            scorer does not say.
    """

    def __init__(
        self,
        ranked: Iterable[Ranked] = (),
        *,
        unscored: tuple[int, ...] = (),
        backfill: tuple[int, ...] = (),
        read: tuple[int, ...] = (),
        work: Work | None = None,
    ) -> None:
        super().__init__(ranked)
        self.unscored = unscored
        self.backfill = backfill
        self.read = read
        self.work = work

    @property
    def complete(self) -> bool:
        """Whether every passage that was to be scored has a score."""
        return not self.unscored


def falling_scores(ranking: RankedList, behind: Iterable[int]) -> dict[int, float]:
    """The scores of a ranking by position, and made up ones for programs that need a number.

    Args:
        ranking: The ranking.
        behind: Positions of passages without a score. They stand behind the others in this order,
            each with a score that is one below the one before.
    """
    scores = {ranked.index: ranked.score for ranked in ranking}
    lowest = min(scores.values(), default=0.0)
    return scores | {index: lowest - place for place, index in enumerate(behind, start=1)}


def in_order(ranking: RankedList) -> list[tuple[int, Ranked | None]]:
    """The positions of the passages to return, best first, each with its result.

    Passages that a time budget left without a score stand behind the others, with `None`.
    """
    return [
        *((ranked.index, ranked) for ranked in ranking),
        *((index, None) for index in ranking.backfill),
    ]


def kept_text(text: str, ranked: Ranked | None) -> str:
    """The parts of a text that `compress` keeps, with an ellipsis between them; else all of it."""
    if ranked is None or ranked.kept is None:
        return text
    return ELLIPSIS.join(text[start:end] for start, end in ranked.kept)


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """A scorer's answer for n pairs, in their order.

    Lists and arrays of other number types are converted.

    Attributes:
        logits: float32, shape `(n,)`; NaN where a pair was not scored.
        truncated: bool, shape `(n,)`: whether the pair was cut at `max_length`. `None` if the
            scorer does not know.
        scored: bool, shape `(n,)`: whether the pair was scored before the time budget ended. `None`
            if all were.
        windows: int, shape `(n,)`: how many windows of the passage were scored. `None` if passages
            are not cut into windows.
        best: int, shape `(n, 2)`: the window with this logit, as the first character of the
            passage's text and the one after the last. `None` as `windows`.
        cached: bool, shape `(n,)`: whether the score is one that was kept, not a new one. `None` if
            all are new.
        work: What it took to answer; `None` if the scorer does not say.

    Raises:
        InvalidInputError: The logits are not a list of numbers, or one of the others has another
            shape.
    """

    logits: NDArray[np.float32]
    truncated: NDArray[np.bool_] | None = None
    scored: NDArray[np.bool_] | None = None
    windows: NDArray[np.intp] | None = None
    best: NDArray[np.intp] | None = None
    cached: NDArray[np.bool_] | None = None
    work: Work | None = None

    def __post_init__(self) -> None:
        logits = _array(self.logits, np.float32)
        if logits is None or logits.ndim != 1:
            message = (
                "PairScores takes one number per pair as logits, a list or an array of shape (n,), "
                f"but got {self.logits!r:.60}."
            )
            raise InvalidInputError(message)
        object.__setattr__(self, "logits", logits)
        for name, kind, width, value in _FACTS:
            object.__setattr__(self, name, self._checked(name, kind, width, value))

    def at(self, places: slice | NDArray[np.bool_] | NDArray[np.intp]) -> "PairScores":
        """The scores of some of the pairs, in the order of the places, without `work`."""
        facts = {name: getattr(self, name) for name, *_ in _FACTS}
        chosen = {name: None if one is None else one[places] for name, one in facts.items()}
        return PairScores(self.logits[places], **chosen)

    def _checked(self, name: str, kind: Any, width: tuple[int, ...], value: str) -> Any:
        """The array of an attribute that says something about each pair."""
        given = getattr(self, name)
        if given is None:
            return None
        found = _array(given, kind)
        if found is None or found.shape != (len(self.logits), *width):
            message = (
                f"PairScores takes {name}=None, or {value} for each of the "
                f"{len(self.logits)} pairs, but got {given!r:.60}."
            )
            raise InvalidInputError(message)
        return found


_FACTS: tuple[tuple[str, Any, tuple[int, ...], str], ...] = (
    ("truncated", np.bool_, (), "one True or False"),
    ("scored", np.bool_, (), "one True or False"),
    ("windows", np.intp, (), "one whole number"),
    ("best", np.intp, (2,), "first and last character"),
    ("cached", np.bool_, (), "one True or False"),
)
"""What `PairScores` says about each pair: name, type, the shape of one, and it in words."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of the pairs that a scorer has scored so far.

    The sentences that `spans` and `compress` read again are no pairs of their own.

    Attributes:
        pairs: Number of (query, passage) pairs.
        truncated: Number of pairs that the model read only in part, because they are longer than
            `max_length` tokens. `None` if the scorer cannot tell for all of them.
        cached: Number of pairs whose score came from the score cache.
        cache_bytes: Size of the score cache's file, which other scorers may share; `None` without a
            score cache.
    """

    pairs: int = 0
    truncated: int | None = 0
    cached: int = 0
    cache_bytes: int | None = None

    @property
    def hit_rate(self) -> float:
        """The share of the pairs whose score came from the score cache; 0 without any pair."""
        return self.cached / self.pairs if self.pairs else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoad:
    """What waits for a scorer's model, how fast the model works, and what its cache saves.

    Scorers of this process with the same settings share a model, and their requests count too.

    Attributes:
        loaded: Whether the model is loaded.
        requests: Number of calls that wait for the model or are being scored.
        pairs: Number of pairs of these calls that have no score yet.
        batch_fill: Tokens of the latest 64 batches, padding included, as a part of the most that
            they may have had; 0 before the first batch.
        pairs_per_second: Pairs that the model scores in a second while it works, by the same
            batches. A window of a long passage counts as a pair.
        tokens_per_second: Tokens of pairs, without padding, that it reads in a second.
        hit_rate: The share of this scorer's pairs whose score came from the score cache.
        cache_bytes: Size of the score cache's file; `None` without a score cache.
    """

    loaded: bool
    requests: int
    pairs: int
    batch_fill: float
    pairs_per_second: float
    tokens_per_second: float
    hit_rate: float = 0.0
    cache_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is run, and why.

    Attributes:
        backend: `"torch"`, `"onnx"`, `"openvino"` or `"jax"`.
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
