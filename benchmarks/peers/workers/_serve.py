"""The worker's side of the talk with the benchmark: one JSON object a line, in and out.

In: {"query", "passages"}. Out: first {"versions"}, then for each request {"seconds", "scores",
"idle"}, where idle is the share of a processor that was used while waiting for the request.
"""

import importlib.metadata
import json
import os
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class Worker(ABC):
    """A loaded peer. `rank` is what is timed; what surrounds it in a pipeline is not."""

    @abstractmethod
    def __init__(self, weights: Path, **options: str) -> None:
        """Loads the peer."""

    def prepare(self, query: str, passages: list[str]) -> tuple[Any, ...]:
        """The arguments of `rank`, such as documents in the peer's own type."""
        return query, passages

    @abstractmethod
    def rank(self, *prepared: Any) -> Any:
        """Calls the peer as its users would."""

    def scores(self, ranking: Any) -> list[float]:
        """A score for each passage, in the order of the passages."""
        return [float(score) for score in ranking]

    def close(self) -> None:  # noqa: B027 - most need nothing
        """Ends what would keep the process from ending."""


def serve(worker_class: type[Worker]) -> None:
    """Loads the peer that the command line describes and answers until the input ends."""
    request = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a peer prints goes to the log
    worker = worker_class(Path(request["weights"]), **request["options"])
    versions = {name: importlib.metadata.version(name) for name in request["packages"]}
    _answer(out, {"versions": versions})
    since, used = time.perf_counter(), time.process_time()
    for line in sys.stdin:
        idle = (time.process_time() - used) / (time.perf_counter() - since)
        request = json.loads(line)
        prepared = worker.prepare(request["query"], request["passages"])
        start = time.perf_counter()
        ranking = worker.rank(*prepared)
        seconds = time.perf_counter() - start
        _answer(out, {"seconds": seconds, "scores": worker.scores(ranking), "idle": idle})
        since, used = time.perf_counter(), time.process_time()
    worker.close()


def in_order(scores: dict[str, float]) -> list[float]:
    """Scores by the number of their passage, as a list."""
    return [float(scores[str(number)]) for number in range(len(scores))]


def _answer(out: Any, content: dict[str, Any]) -> None:
    out.write(json.dumps(content) + "\n")
    out.flush()
