"""infinity's engine inside the process, without its server."""

import asyncio
from pathlib import Path
from typing import Any

from benchmarks.peers.workers._serve import Worker, in_order, serve


class InfinityWorker(Worker):
    """The engine stays started; one request at a time."""

    def __init__(self, weights: Path) -> None:
        """Loads the peer."""
        from infinity_emb import AsyncEmbeddingEngine, EngineArgs

        self._runner = asyncio.Runner()
        arguments = EngineArgs(model_name_or_path=str(weights), engine="torch", device="cpu")
        self._engine = AsyncEmbeddingEngine.from_args(arguments)
        self._runner.run(self._engine.astart())

    def rank(self, *prepared: Any) -> Any:
        """`rerank`."""
        query, passages = prepared
        return self._runner.run(self._engine.rerank(query=query, docs=passages))

    def scores(self, ranking: Any) -> list[float]:
        """By the index that it gives each passage."""
        results, _ = ranking
        return in_order({str(one.index): one.relevance_score for one in results})

    def close(self) -> None:
        """Stops the engine's threads."""
        self._runner.run(self._engine.astop())


if __name__ == "__main__":
    serve(InfinityWorker)
