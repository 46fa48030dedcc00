"""LlamaIndex's node postprocessor for cross-encoders, of its core package."""

import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.workers._serve import Worker, in_order, serve


class LlamaIndexWorker(Worker):
    """`top_n` is larger than any list, as all scores are compared."""

    def __init__(self, weights: Path) -> None:
        """Loads the peer."""
        from llama_index.core.postprocessor import SentenceTransformerRerank

        self._rerank = SentenceTransformerRerank(model=str(weights), top_n=sys.maxsize)

    def prepare(self, query: str, passages: list[str]) -> tuple[Any, ...]:
        """Nodes."""
        from llama_index.core.schema import NodeWithScore, TextNode

        nodes = [TextNode(id_=str(n), text=text) for n, text in enumerate(passages)]
        return [NodeWithScore(node=node) for node in nodes], query

    def rank(self, *prepared: Any) -> Any:
        """`postprocess_nodes`."""
        nodes, query = prepared
        return self._rerank.postprocess_nodes(nodes, query_str=query)

    def scores(self, ranking: Any) -> list[float]:
        """By node id."""
        return in_order({node.node_id: node.score for node in ranking})


if __name__ == "__main__":
    serve(LlamaIndexWorker)
