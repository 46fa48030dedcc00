"""FlashRank, which loads models of its own list alone: ours lies under the name of one."""

from pathlib import Path
from typing import Any

from benchmarks.peers.workers._serve import Worker, in_order, serve


class FlashRankWorker(Worker):
    """`max_length` is its default, 512."""

    def __init__(self, weights: Path) -> None:
        """Loads the peer."""
        from flashrank import Ranker

        (name,) = (path.name for path in weights.iterdir())
        self._ranker = Ranker(model_name=name, cache_dir=str(weights))

    def prepare(self, query: str, passages: list[str]) -> tuple[Any, ...]:
        """A request; its passages are changed by the call."""
        from flashrank import RerankRequest

        rows = [{"id": str(n), "text": text} for n, text in enumerate(passages)]
        return (RerankRequest(query=query, passages=rows),)

    def rank(self, *prepared: Any) -> Any:
        """`rerank`."""
        return self._ranker.rerank(*prepared)

    def scores(self, ranking: Any) -> list[float]:
        """By passage id."""
        return in_order({row["id"]: row["score"] for row in ranking})


if __name__ == "__main__":
    serve(FlashRankWorker)
