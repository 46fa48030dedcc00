"""Measures the peak memory of each scorer in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import islice

from rerank_plugins.evaluation.comparison import Comparison
from rerank_plugins.evaluation.configurations import Configuration

_PROGRAM = """
import json, sys
from rerank_plugins import Reranker
from rerank_plugins.process.memory import peak_memory

request = json.load(sys.stdin)
with Reranker.from_options(**request["options"]) as reranker:
    reranker.rank(request["query"], request["passages"])
json.dump(peak_memory(), sys.stdout)
"""
"""The program imports only what scoring needs, so that nothing else is measured."""

_LOOKED_AT = 20
"""The number of queries per collection to search for the largest; texts may be on disk."""


def scoring_memory(
    configurations: Mapping[str, Configuration], comparisons: Sequence[Comparison]
) -> dict[str, float | None]:
    """Returns the peak resident memory, in megabytes, of loading each model and scoring a query.

    Each model gets its own process, because several in one could not be told apart. The query is
    the one with the most text to read. The value is `None` if the system does not report memory or
    the process was killed.
    """
    query, passages = _largest(comparisons)
    return {
        name: _measured({"options": each.arguments(), "query": query, "passages": passages})
        for name, each in configurations.items()
    }


def _largest(comparisons: Sequence[Comparison]) -> tuple[str, list[str]]:
    requests = (
        (comparison.collection.queries[query_id], [comparison.collection.passages[i] for i in ids])
        for comparison in comparisons
        for query_id, ids in islice(comparison.first_stage.run.items(), _LOOKED_AT)
    )
    return max(requests, key=lambda request: sum(map(len, request[1])))


def _measured(request: dict[str, object]) -> float | None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return None
    megabytes: float | None = json.loads(done.stdout.splitlines()[-1])  # a model may print too
    return megabytes
