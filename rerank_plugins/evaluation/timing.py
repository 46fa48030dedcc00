"""Asking a scorer and watching the clock."""

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

ScoreFunction = Callable[[str, list[str]], Sequence[float] | PairScores]
"""A query and n passages to n scores, higher is better; `PairScores` say what was cut, too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scorer says about a query's passages.

    Attributes:
        scores: One per passage, in their order.
        seconds: How long scoring took.
        cut: How many of the passages were read only in part; `None` if not known.
    """

    scores: list[float]
    seconds: float
    cut: int | None = None


Ask = Callable[[str, ScoreFunction, str, list[str]], Answer]
"""A scorer's name and function, a query and n passages to n scores and their time."""


def timed_answer(name: str, score: ScoreFunction, query: str, passages: list[str]) -> Answer:
    """Returns what a scorer says about a query's passages.

    A scorer with a `prepare(passages)` does there what has no part in a query's time.

    Raises:
        InvalidInputError: It does not return one score for each passage.
        ScoringError: A score is not finite.
    """
    prepare = getattr(score, "prepare", None)
    if prepare is not None and passages:
        prepare(passages)
    start = time.perf_counter()
    given = score(query, passages) if passages else []
    values, truncated = (
        (given.logits, given.truncated) if isinstance(given, PairScores) else (given, None)
    )
    scores = [float(value) for value in values]
    seconds = time.perf_counter() - start
    if len(scores) != len(passages):
        message = (
            f"the scorer {name} returned {len(scores)} scores for {len(passages)} passages; "
            "it must return one for each"
        )
        raise InvalidInputError(message)
    broken = next((value for value in scores if not math.isfinite(value)), None)
    if broken is not None:
        message = (
            f"the scorer {name} returned {broken} for a passage of the query {query[:60]!r}, which "
            "has no place in an order. Try precision fp32; if it stays, the weights are broken"
        )
        raise ScoringError(message)
    return Answer(scores, seconds, None if truncated is None else int(np.sum(truncated)))


@dataclass(frozen=True)
class Latency:
    """How long a scorer took for a query's candidates.

    Attributes:
        p50: Median, in seconds.
        p95: 95th percentile.
        p99: 99th percentile.
        pairs_per_second: Over all queries.
    """

    p50: float
    p95: float
    p99: float
    pairs_per_second: float


def latency(seconds: Mapping[str, float], pairs: Mapping[str, int]) -> Latency:
    """Returns percentiles over the queries that had candidates.

    Args:
        seconds: Query id to the time that scoring took.
        pairs: Query id to how many passages were scored.
    """
    timed = [query_id for query_id, count in pairs.items() if count]
    times = np.array([seconds[query_id] for query_id in timed] or [0.0])
    total = sum(pairs[query_id] for query_id in timed)
    p50, p95, p99 = (float(value) for value in np.percentile(times, [50, 95, 99]))
    return Latency(p50, p95, p99, total / max(float(times.sum()), 1e-9))


def scorer_function(scorer: Scorer) -> ScoreFunction:
    """Returns what `compare` calls, for any scorer."""

    def score(query: str, passages: list[str]) -> PairScores:
        return answer(scorer, [(query, passage) for passage in passages])

    return score
