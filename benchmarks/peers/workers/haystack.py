"""Haystack's ranker for cross-encoders."""

from pathlib import Path
from typing import Any

from benchmarks.peers.workers._serve import Worker, in_order, serve


class HaystackWorker(Worker):
    """`top_k` is the number of passages, as all scores are compared."""

    def __init__(self, weights: Path) -> None:
        """Loads the peer."""
        from haystack_integrations.components.rankers.sentence_transformers import (
            SentenceTransformersSimilarityRanker,
        )

        self._ranker = SentenceTransformersSimilarityRanker(model=str(weights))
        self._ranker.warm_up()

    def prepare(self, query: str, passages: list[str]) -> tuple[Any, ...]:
        """Documents."""
        from haystack import Document

        return query, [Document(id=str(n), content=text) for n, text in enumerate(passages)]

    def rank(self, *prepared: Any) -> Any:
        """`run`."""
        query, documents = prepared
        return self._ranker.run(query=query, documents=documents, top_k=len(documents))

    def scores(self, ranking: Any) -> list[float]:
        """By document id."""
        return in_order({document.id: document.score for document in ranking["documents"]})


if __name__ == "__main__":
    serve(HaystackWorker)
