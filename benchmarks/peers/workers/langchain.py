"""LangChain's document compressor for cross-encoders."""

import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.workers._serve import Worker, serve


class LangChainWorker(Worker):
    """The compressor drops its scores, so they are noted where the model returns them."""

    def __init__(self, weights: Path) -> None:
        """Loads the peer."""
        from langchain_classic.retrievers.document_compressors import CrossEncoderReranker
        from langchain_community.cross_encoders import HuggingFaceCrossEncoder

        noted: list[Any] = []

        class Noting(HuggingFaceCrossEncoder):
            def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
                noted[:] = super().score(text_pairs)
                return noted

        model = Noting(model_name=str(weights))
        self._reranker = CrossEncoderReranker(model=model, top_n=sys.maxsize)
        self._noted = noted

    def prepare(self, query: str, passages: list[str]) -> tuple[Any, ...]:
        """Documents."""
        from langchain_core.documents import Document

        return [Document(text) for text in passages], query

    def rank(self, *prepared: Any) -> Any:
        """`compress_documents`."""
        return self._reranker.compress_documents(*prepared)

    def scores(self, ranking: Any) -> list[float]:
        """What was noted."""
        return [float(score) for score in self._noted]


if __name__ == "__main__":
    serve(LangChainWorker)
