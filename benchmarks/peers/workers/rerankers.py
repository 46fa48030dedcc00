"""The rerankers package."""

from pathlib import Path
from typing import Any

from benchmarks.peers.workers._serve import Worker, in_order, serve


class RerankersWorker(Worker):
    """Its transformer ranker."""

    def __init__(self, weights: Path) -> None:
        """Loads the peer."""
        from rerankers import Reranker

        self._ranker = Reranker(str(weights), model_type="cross-encoder")
        if self._ranker is None:
            message = "Reranker(...) printed a warning and returned None"
            raise RuntimeError(message)

    def rank(self, *prepared: Any) -> Any:
        """`rank`."""
        query, passages = prepared
        return self._ranker.rank(query=query, docs=passages)

    def scores(self, ranking: Any) -> list[float]:
        """By the number that it gives each passage."""
        return in_order({str(one.doc_id): one.score for one in ranking.results})


if __name__ == "__main__":
    serve(RerankersWorker)
