"""What `/metrics` shows: requests under the names of text-embeddings-inference, and each model."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rerank_plugins.reranker import Reranker
from rerank_plugins.scorer import CrossEncoderScorer
from rerank_plugins.server.exchange import Answer, Kind

_ERRORS: Mapping[Kind, str] = {
    "too_many": "batch_size",
    "overloaded": "overloaded",
    "failed": "inference",
    "too_late": "inference",
    "not_ready": "unhealthy",
}
"""The `err` of a failure; the others are `validation`."""

_NOW = {
    "requests": ("rerank_queue_requests", "Requests that wait for the model or are scored."),
    "pairs": ("rerank_queue_pairs", "Pairs of these requests that have no score yet."),
    "batch_fill": ("rerank_batch_fill", "Tokens of late batches, as a part of the most."),
    "pairs_per_second": ("rerank_pairs_per_second", "Pairs that the model scores in a second."),
}
"""What is shown of a model's load: the field, its metric, and what it is."""

_SECONDS = [1e-5 * 1.5**step for step in range(35)]


class Metrics:
    """Counts of one server, in a registry of its own.

    The counts of requests are gauges: a counter's name would get `_total`, and existing dashboards
    know these names without it.

    Args:
        rerankers: The models by name.
    """

    def __init__(self, rerankers: Mapping[str, Reranker]) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._gauge("te_request_count", "Requests.", "method")
        self._successes = self._gauge("te_request_success", "Answered requests.", "method")
        self._failures = self._gauge("te_request_failure", "Failed requests.", "err")
        self._seconds = self._histogram("te_request_duration", "answered requests took")
        self._parts = {
            name: self._histogram(f"te_request_{said}_duration", f"answered requests {part}")
            for name, said, part in (
                ("tokenizing", "tokenization", "were tokenized"),
                ("waiting", "queue", "waited"),
                ("scoring", "inference", "were in batches"),
            )
        }
        self._tokens = Counter(
            "rerank_tokens", "Tokens that were read.", ["model"], registry=self.registry
        )
        self.open = self._gauge("rerank_open_requests", "Requests that are being answered.")
        self._unscored = self._gauge(
            "rerank_unscored_documents", "Documents that a time budget left without a score."
        )
        self.registry.register(_ModelCounts(rerankers))

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(name, said, labels, registry=self.registry)

    def _histogram(self, name: str, said: str) -> Histogram:
        said = f"Seconds that {said}."
        return Histogram(name, said, buckets=_SECONDS, registry=self.registry)

    def answered(self, answer: Answer, seconds: float) -> None:
        """Counts a request that was answered."""
        texts = len(answer.ask.texts)
        method = "single" if texts == 1 else "batch"
        self._requests.labels(method).inc()
        self._successes.labels(method).inc()
        self._seconds.observe(seconds)
        self._unscored.inc(texts - answer.scored)
        self._tokens.labels(answer.model).inc(answer.tokens)
        for name, histogram in self._parts.items():
            if answer.work is not None:
                histogram.observe(getattr(answer.work, name))

    def refused(self, kind: Kind) -> None:
        """Counts a request that failed."""
        self._requests.labels("batch").inc()
        self._failures.labels(_ERRORS.get(kind, "validation")).inc()

    def dropped(self) -> None:
        """Counts a request whose client left."""
        self._requests.labels("batch").inc()
        self._failures.labels("dropped").inc()

    def page(self) -> bytes:
        """The text that is scraped."""
        return generate_latest(self.registry)


class _ModelCounts(Collector):
    """What the scorers have counted themselves, read when it is asked for."""

    def __init__(self, rerankers: Mapping[str, Reranker]) -> None:
        self._rerankers = rerankers

    def collect(self) -> Iterable[Metric]:
        """One family for each count; a scorer that cannot tell what it cut has none of that."""
        counted = {name: one.scorer.statistics for name, one in self._rerankers.items()}
        for attribute, said in (
            ("pairs", "Pairs that have been scored."),
            ("truncated", "Pairs that were read only in part."),
            ("cached", "Pairs whose score was kept."),
        ):
            family = CounterMetricFamily(f"rerank_{attribute}", said, labels=["model"])
            for name, statistics in counted.items():
                if (value := getattr(statistics, attribute)) is not None:
                    family.add_metric([name], value)
            yield family
        loads = {
            name: one.scorer.stats()
            for name, one in self._rerankers.items()
            if isinstance(one.scorer, CrossEncoderScorer)
        }
        waiting = sum(load.requests for load in loads.values())
        yield GaugeMetricFamily("te_queue_size", "Requests in all queues.", waiting)
        for field, (metric, said) in _NOW.items():
            gauge = GaugeMetricFamily(metric, said, labels=["model"])
            for name, load in loads.items():
                gauge.add_metric([name], getattr(load, field))
            yield gauge
