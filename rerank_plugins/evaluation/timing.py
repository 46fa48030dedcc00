"""Calls a scorer and measures its time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rerank_plugins.errors import InvalidInputError, ScoringError
from rerank_plugins.results import PairScores
from rerank_plugins.scoring.answers import answer
from rerank_plugins.scoring.contract import Scorer


@dataclass(frozen=True, slots=True)
class StageScores:
    """The answer of a reranker that may have several stages.

    Attributes:
        scores: One score per passage, in their order.
        read: The number of passages that each stage read.
        cut: The number of passages that were read only in part; `None` if not known.
    """

    scores: Sequence[float]
    read: tuple[int, ...]
    cut: int | None = None


ScoreFunction = Callable[[str, list[str]], Sequence[float] | PairScores | StageScores]
"""A query and n passages to n scores, higher is better; two of the types say more about them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A scorer's answer for a query's passages.

    Attributes:
        scores: One score per passage, in their order.
        seconds: The time that scoring took.
        cut: The number of passages that were read only in part; `None` if not known.
        read: The number of passages that each stage read; `()` for a scorer of one stage.
    """

    scores: list[float]
    seconds: float
    cut: int | None = None
    read: tuple[int, ...] = ()


Ask = Callable[[str, ScoreFunction, str, list[str]], Answer]
"""A scorer's name and function, a query and n passages to n scores and the time they took."""


def timed_answer(name: str, score: ScoreFunction, query: str, passages: list[str]) -> Answer:
    """Returns a scorer's answer for a query's passages.

    A scorer with a `prepare(passages)` method does untimed work there.

    Raises:
        InvalidInputError: The scorer does not return one score per passage.
        ScoringError: A score is not finite.
    """
    prepare = getattr(score, "prepare", None)
    if prepare is not None and passages:
        prepare(passages)
    start = time.perf_counter()
    given = score(query, passages) if passages else []
    answered = _as_stages(given)
    scores = [float(value) for value in answered.scores]
    seconds = time.perf_counter() - start
    if len(scores) != len(passages):
        message = (
            f"the scorer {name} returned {len(scores)} scores for {len(passages)} passages; "
            "it must return one for each."
        )
        raise InvalidInputError(message)
    broken = next((value for value in scores if not math.isfinite(value)), None)
    if broken is not None:
        message = (
            f"the scorer {name} returned {broken} for a passage of the query {query[:60]!r}, which "
            "cannot be ranked. Try precision fp32; if that does not help, the weights are broken."
        )
        raise ScoringError(message)
    return Answer(scores, seconds, answered.cut, answered.read)


def _as_stages(given: Sequence[float] | PairScores | StageScores) -> StageScores:
    if isinstance(given, StageScores):
        return given
    if isinstance(given, PairScores):
        cut = None if given.truncated is None else int(np.sum(given.truncated))
        return StageScores(given.logits.tolist(), (), cut)
    return StageScores(given, ())


@dataclass(frozen=True)
class Latency:
    """The time that a scorer takes for a query's candidates.

    Attributes:
        p50: The median, in seconds.
        p95: The 95th percentile, in seconds.
        p99: The 99th percentile, in seconds.
        pairs_per_second: Pairs per second over all queries.
    """

    p50: float
    p95: float
    p99: float
    pairs_per_second: float


def latency(seconds: Mapping[str, float], pairs: Mapping[str, int]) -> Latency:
    """Returns percentiles over the queries that had candidates.

    Args:
        seconds: Query id to the time that scoring took.
        pairs: Query id to the number of passages that were scored.
    """
    timed = [query_id for query_id, count in pairs.items() if count]
    times = np.array([seconds[query_id] for query_id in timed] or [0.0])
    total = sum(pairs[query_id] for query_id in timed)
    p50, p95, p99 = (float(value) for value in np.percentile(times, [50, 95, 99]))
    return Latency(p50, p95, p99, total / max(float(times.sum()), 1e-9))


def scorer_function(scorer: Scorer) -> ScoreFunction:
    """Returns any scorer as the function that `compare` calls."""

    def score(query: str, passages: list[str]) -> PairScores:
        return answer(scorer, [(query, passage) for passage in passages])

    return score
