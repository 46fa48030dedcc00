"""Reranking the first stage's candidates with several scorers, and measuring each order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.collection import JudgedCollection
from rerank_plugins.evaluation.first_stage import Candidates
from rerank_plugins.evaluation.measures import measure, measure_names

ScoreFunction = Callable[[str, list[str]], Sequence[float]]


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


@dataclass(frozen=True)
class Order:
    """One order of the candidates, and how good it is.

    Attributes:
        name: The first stage's or the scorer's.
        run: Query id to passage id to score.
        values: Measure to query id to value.
        seconds: Query id to the seconds that scoring took; empty for a first stage.
    """

    name: str
    run: Candidates
    values: Mapping[str, Mapping[str, float]]
    seconds: Mapping[str, float]

    def mean(self, name: str) -> float:
        """The mean of a measure over all queries."""
        return fmean(self.values[name].values())

    def latency(self) -> Latency:
        """Percentiles over the queries that had candidates."""
        timed = [query_id for query_id, passages in self.run.items() if passages]
        seconds = np.array([self.seconds[query_id] for query_id in timed] or [0.0])
        pairs = sum(len(self.run[query_id]) for query_id in timed)
        p50, p95, p99 = (float(value) for value in np.percentile(seconds, [50, 95, 99]))
        return Latency(p50, p95, p99, pairs / max(float(seconds.sum()), 1e-9))


@dataclass(frozen=True)
class Comparison:
    """A collection's candidates as the first stage and as each scorer orders them."""

    collection: JudgedCollection
    depth: int
    first_stage: Order
    reranked: list[Order]


def compare(
    collection: JudgedCollection,
    candidates: Candidates,
    scorers: Mapping[str, ScoreFunction],
    *,
    depth: int = 100,
    first_stage: str = "BM25",
    on_query: Callable[[], None] = lambda: None,
) -> Comparison:
    """Returns the first stage's order and one order for each scorer.

    All scorers see a query before any sees the next one, so that what slows the machine for a
    while slows them alike.

    Args:
        collection: What is searched.
        candidates: What the first stage found.
        scorers: Name to ``(query, passages) -> scores``, higher is better.
        depth: How many candidates of a query the first stage was asked for.
        first_stage: Its name.
        on_query: Called after each query of each scorer, for a progress bar.

    Raises:
        InvalidInputError: A scorer does not return one score for each passage.
    """
    runs: dict[str, Candidates] = {name: {} for name in scorers}
    seconds: dict[str, dict[str, float]] = {name: {} for name in scorers}
    for query_id, query in collection.queries.items():
        ids = list(candidates.get(query_id, {}))
        passages = [collection.passages[passage_id] for passage_id in ids]
        for name, score in scorers.items():
            start = time.perf_counter()
            scores = score(query, passages) if ids else []
            seconds[name][query_id] = time.perf_counter() - start
            if len(scores) != len(ids):
                message = (
                    f"the scorer {name} returned {len(scores)} scores for {len(ids)} passages; "
                    "it must return one for each"
                )
                raise InvalidInputError(message)
            runs[name][query_id] = {
                passage_id: float(value) for passage_id, value in zip(ids, scores, strict=True)
            }
            on_query()
    names = measure_names(depth)
    judgements = {query_id: collection.judgements[query_id] for query_id in collection.queries}
    before = {query_id: candidates.get(query_id, {}) for query_id in collection.queries}
    return Comparison(
        collection,
        depth,
        Order(first_stage, before, measure(judgements, before, names), {}),
        [
            Order(name, runs[name], measure(judgements, runs[name], names), seconds[name])
            for name in scorers
        ],
    )
