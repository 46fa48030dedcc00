"""How many candidates, of what length, a time buys on this machine."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.evaluation.comparison import Comparison
from rerank_plugins.evaluation.configurations import Configuration
from rerank_plugins.evaluation.curve import DepthPoint
from rerank_plugins.results import Plan
from rerank_plugins.scoring.contract import Scorer

LENGTHS = (64, 128, 256)
"""Tokens per pair of query and passage."""

MOST = 4096
"""Pairs at which counting ends: more than a second stage gets."""

_REPEATS = 5


@dataclass(frozen=True)
class Reach:
    """A number of candidates that can be scored in a time.

    Attributes:
        pairs: The number.
        is_least: Whether there may be more: all that were tried could be scored.
    """

    pairs: int
    is_least: bool


@dataclass(frozen=True)
class Within:
    """What a scorer can read in a time on this machine.

    Attributes:
        name: The scorer's name.
        backend: How it is run.
        precision: In which numbers.
        own: For each collection its own candidates, by the times of its depth curve.
        words: For each collection the median number of words of its candidates.
        by_length: Tokens of query and passage together to the number of such pairs; `None` where
            the model reads no pairs so long.
    """

    name: str
    backend: str
    precision: str
    own: Mapping[str, Reach]
    words: Mapping[str, int]
    by_length: Mapping[int, Reach | None]


def within(
    seconds: float,
    comparisons: Sequence[Comparison],
    curves: Sequence[Mapping[str, Sequence[DepthPoint]]],
    configurations: Mapping[str, Configuration],
    plans: Mapping[str, Plan],
    *,
    on_scorer: Callable[[], object] = lambda: None,
) -> list[Within]:
    """Returns for each cross-encoder how many pairs it scores in a time.

    Args:
        seconds: The time.
        comparisons: One per collection.
        curves: For each of them the depth curves.
        configurations: The cross-encoders by name; their models are loaded already.
        plans: How each of them is run.
        on_scorer: Called after each of them.
    """
    query, texts = _texts(comparisons)
    words = {each.collection.name: _median_words(each) for each in comparisons}
    found = []
    for name, plan in plans.items():
        own = {
            comparison.collection.name: _by_curve(curve[name], seconds)
            for comparison, curve in zip(comparisons, curves, strict=True)
        }
        by_length = {
            length: _by_length(configurations[name], length, query, texts, seconds)
            for length in LENGTHS
        }
        found.append(Within(name, plan.backend, plan.precision, own, words, by_length))
        on_scorer()
    return found


def _median_words(comparison: Comparison) -> int:
    passages = comparison.collection.passages
    ids = {name for found in comparison.first_stage.run.values() for name in found}
    return round(median([len(passages[name].split()) for name in ids] or [0]))


def _by_curve(points: Sequence[DepthPoint], seconds: float) -> Reach:
    """The depth that takes the time, between the depths that were timed."""
    last = points[-1]
    if last.seconds <= seconds:
        return Reach(last.depth, is_least=True)
    return Reach(_between([(each.depth, each.seconds) for each in points], seconds), is_least=False)


def _by_length(
    configuration: Configuration, length: int, query: str, texts: Sequence[str], seconds: float
) -> Reach | None:
    limit = configuration.options.get("max_length")
    if limit is not None and limit < length:
        return None
    longer = replace(configuration, options={**configuration.options, "max_length": length})
    with longer.scorer() as scorer:
        try:
            scorer.warm_up()
        except UnsupportedOptionError:  # the model reads no pairs so long
            return None
        return pairs_within(seconds, scorer, query, _long(texts, length))


def pairs_within(
    seconds: float, scorer: Scorer, query: str, passages: Callable[[int], list[str]]
) -> Reach:
    """Times twice as many pairs each time, until they take longer.

    Args:
        seconds: The time.
        scorer: The scorer, with its model loaded.
        query: The query.
        passages: Makes so many passages.
    """
    times = [(0, 0.0)]
    count = 1
    while times[-1][1] < seconds:
        if times[-1][0] >= MOST:
            return Reach(MOST, is_least=True)
        times.append((count, _time(scorer, query, passages, count)))
        count *= 2
    return Reach(_between(times, seconds), is_least=False)


def _time(scorer: Scorer, query: str, passages: Callable[[int], list[str]], count: int) -> float:
    """The median time to score that many passages, which are other ones each time."""
    times = []
    for _ in range(_REPEATS):
        given = passages(count)
        start = time.perf_counter()
        scorer.score(query, given)
        times.append(time.perf_counter() - start)
    return median(times)


def _between(times: Sequence[tuple[int, float]], seconds: float) -> int:
    """The whole number of pairs in the time, on the line between the two counts around it."""
    after = next(number for number, (_, taken) in enumerate(times) if taken >= seconds)
    (few, short), (many, long) = times[after - 1], times[after]
    return few + int((many - few) * (seconds - short) / (long - short))


def _texts(comparisons: Sequence[Comparison]) -> tuple[str, list[str]]:
    """A query and the texts of its candidates."""
    for comparison in comparisons:
        for query_id, found in comparison.first_stage.run.items():
            if found:
                collection = comparison.collection
                return collection.queries[query_id], [collection.passages[name] for name in found]
    return "", [""]


def _long(texts: Sequence[str], tokens: int) -> Callable[[int], list[str]]:
    """Makes passages of at least so many tokens, which begin at one word after the other."""
    words = " ".join(texts).split() or ["text"]
    starts = itertools.count()

    def passages(count: int) -> list[str]:
        return [
            " ".join(words[(start + place) % len(words)] for place in range(tokens))
            for start in itertools.islice(starts, count)
        ]

    return passages
