"""What `/metrics` shows of each model: its own counts, its queue and its batches."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rerank_plugins.engine.engine import Engine
from rerank_plugins.reranker import Reranker
from rerank_plugins.scorer import CrossEncoderScorer
from rerank_plugins.server.reading import engines_of

_COUNTS = (
    ("pairs", "Pairs that have been scored."),
    ("truncated", "Pairs that were read only in part."),
    ("cached", "Pairs whose score was kept."),
)

_LOADS = (
    ("pairs", "rerank_queue_pairs", "Pairs that have no score yet."),
    ("requests", "rerank_queue_requests", "Calls that wait for the model or are being scored."),
    ("batch_fill", "rerank_batch_fill", "Fill of the latest batches, from 0 to 1."),
    ("pairs_per_second", "rerank_pairs_per_second", "Pairs scored in a second of work."),
    ("tokens_per_second", "rerank_tokens_per_second", "Tokens read in a second of work."),
)


class ModelMetrics(Collector):
    """What the scorers count themselves, read when it is asked for.

    Args:
        rerankers: The models by name.
    """

    def __init__(self, rerankers: Mapping[str, Reranker]) -> None:
        self._rerankers = rerankers

    def collect(self) -> Iterable[Metric]:
        """One family for each count; a model that cannot tell has none of it."""
        yield from self._counts()
        yield from self._loads()
        yield from self._batches()

    def _counts(self) -> Iterable[Metric]:
        counted = {name: one.scorer.statistics for name, one in self._rerankers.items()}
        for attribute, said in _COUNTS:
            family = CounterMetricFamily(f"rerank_{attribute}", said, labels=["model"])
            for name, statistics in counted.items():
                if (value := getattr(statistics, attribute)) is not None:
                    family.add_metric([name], value)
            yield family

    def _loads(self) -> Iterable[Metric]:
        loads = {
            name: one.scorer.stats()
            for name, one in self._rerankers.items()
            if isinstance(one.scorer, CrossEncoderScorer)
        }
        for attribute, metric, said in _LOADS:
            family = GaugeMetricFamily(metric, said, labels=["model"])
            for name, load in loads.items():
                family.add_metric([name], getattr(load, attribute))
            yield family
        waiting = sum(engine.load().pairs for engine in self._engines())
        yield GaugeMetricFamily("te_queue_size", "Pairs that have no score yet.", value=waiting)

    def _engines(self) -> set[Engine]:
        return engines_of(one.scorer for one in self._rerankers.values())

    def _batches(self) -> Iterable[Metric]:
        sizes, lengths, inputs = Counter[int](), Counter[int](), Counter[int]()
        for engine in self._engines():
            of_pairs, of_tokens, of_inputs = engine.batches()
            sizes += of_pairs
            lengths += of_tokens
            inputs += of_inputs
        yield _histogram("te_batch_next_size", "Pairs of a batch.", sizes, powers=13)
        yield _histogram("te_batch_next_tokens", "Tokens of a batch.", lengths, powers=21)
        yield _histogram("te_request_input_length", "Tokens of a pair.", inputs, powers=20)


def _histogram(name: str, said: str, counts: Counter[int], *, powers: int) -> Metric:
    """A histogram with powers of two as the ends of its buckets."""
    ends = [2**power for power in range(powers)]
    in_bucket = [0] * (powers + 1)
    for value, count in counts.items():
        in_bucket[min(max(value - 1, 0).bit_length(), powers)] += count
    names = [*(f"{end:.1f}" for end in ends), "+Inf"]
    buckets = list(zip(names, accumulate(in_bucket), strict=True))
    total = sum(value * count for value, count in counts.items())
    return HistogramMetricFamily(name, said, buckets=buckets, sum_value=total)
