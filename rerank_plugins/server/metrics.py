"""What `/metrics` shows: requests under the names of text-embeddings-inference, and each model."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rerank_plugins.reranker import Reranker
from rerank_plugins.server.exchange import Answer, Ask, Kind
from rerank_plugins.server.model_metrics import ModelMetrics

_ERRORS: Mapping[Kind, str] = {
    "too_many": "batch_size",
    "too_long": "tokenization",
    "overloaded": "overloaded",
    "failed": "inference",
    "too_late": "inference",
    "not_ready": "unhealthy",
}
"""The `err` of a failure; the others are `validation`."""


_SECONDS = [1e-5 * 1.5**step for step in range(1, 36)]


class Metrics:
    """Counts of one server, in a registry of its own.

    The counts of requests are gauges here and counters on the page: the library's counters would be
    named `_total`, and existing dashboards know these names without it.

    Args:
        rerankers: The models by name.
    """

    def __init__(self, rerankers: Mapping[str, Reranker]) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._gauge("te_request_count", "Requests.", "method")
        self._successes = self._gauge("te_request_success", "Answered requests.", "method")
        self._failures = self._gauge("te_request_failure", "Failed requests.", "err")
        self._pairs = self._gauge("te_predict_count", "Pairs that were to be scored.")
        self._scored = self._gauge("te_predict_success", "Pairs that were scored.")
        self._seconds = self._histogram("te_request_duration", "answered requests took")
        self._parts = {
            name: self._histogram(f"te_request_{said}_duration", f"answered requests {part}")
            for name, said, part in (
                ("tokenizing", "tokenization", "were tokenized"),
                ("waiting", "queue", "waited"),
                ("scoring", "inference", "were in batches"),
            )
        }
        self._tokens = self._counter("rerank_tokens", "Tokens that were read.")
        self.open = self._gauge("rerank_open_requests", "Requests that are being answered.")
        self._unscored = self._counter(
            "rerank_unscored_documents", "Documents that a time budget left without a score."
        )
        self._cut = self._counter(
            "rerank_budget_cuts", "Requests that a time budget ended before all was scored."
        )
        self.registry.register(ModelMetrics(rerankers))

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(name, said, labels, registry=self.registry)

    def _counter(self, name: str, said: str) -> Counter:
        return Counter(name, said, ["model"], registry=self.registry)

    def _histogram(self, name: str, said: str) -> Histogram:
        said = f"Seconds that {said}."
        return Histogram(name, said, buckets=_SECONDS, registry=self.registry)

    def asked(self, ask: Ask) -> None:
        """Counts the pairs of a request."""
        self._pairs.inc(len(ask.texts) if ask.wants != "tokens" else 0)

    def answered(self, answer: Answer, seconds: float) -> None:
        """Counts a request that was answered."""
        texts = len(answer.ask.texts)
        method = "single" if answer.ask.single else "batch"
        self._requests.labels(method).inc()
        self._successes.labels(method).inc()
        self._scored.inc(answer.scored if answer.ask.wants != "tokens" else 0)
        self._seconds.observe(seconds)
        self._unscored.labels(answer.model).inc(texts - answer.scored)
        self._cut.labels(answer.model).inc(answer.scored < texts)
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
        page = generate_latest(self.registry)
        names = ("request_count", "request_success", "request_failure")
        for name in (*names, "predict_count", "predict_success"):
            kind = f"# TYPE te_{name} ".encode()
            page = page.replace(kind + b"gauge", kind + b"counter")
        return page
