"""The three wrappers behind one face, so that one case table runs against all of them."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from haystack import Document as HaystackDocument
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import NodeWithScore, TextNode

from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker
from langchain_rerank_plugins import CrossEncoderCompressor
from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank

Ranking = list[tuple[str, float]]
"""(document id, score), best first."""


class Wrapper(Protocol):
    """What a framework's user does, in one call."""

    limit: str

    def rank(self, query: Any, passages: Sequence[str], **options: Any) -> Ranking:
        """Ranks documents made of the passages, whose ids are their positions."""

    def arank(self, query: Any, passages: Sequence[str], **options: Any) -> Ranking:
        """The same through the framework's async path."""


class Haystack:
    """`CrossEncoderRanker.run`."""

    limit = "top_k"

    def rank(self, query: Any, passages: Sequence[str], **options: Any) -> Ranking:
        return self._ranking(CrossEncoderRanker(**options).run(query, self._documents(passages)))

    def arank(self, query: Any, passages: Sequence[str], **options: Any) -> Ranking:
        ranker = CrossEncoderRanker(**options)
        return self._ranking(asyncio.run(ranker.run_async(query, self._documents(passages))))

    def _documents(self, passages: Sequence[str]) -> list[HaystackDocument]:
        return [HaystackDocument(id=str(i), content=text) for i, text in enumerate(passages)]

    def _ranking(self, output: dict[str, Any]) -> Ranking:
        return [(document.id, document.score) for document in output["documents"]]


class LlamaIndex:
    """`CrossEncoderRerank.postprocess_nodes`."""

    limit = "top_n"

    def rank(self, query: Any, passages: Sequence[str], **options: Any) -> Ranking:
        reranker = CrossEncoderRerank(**options)
        return self._ranking(reranker.postprocess_nodes(self._nodes(passages), query_str=query))

    def arank(self, query: Any, passages: Sequence[str], **options: Any) -> Ranking:
        reranker = CrossEncoderRerank(**options)
        nodes = self._nodes(passages)
        return self._ranking(asyncio.run(reranker.apostprocess_nodes(nodes, query_str=query)))

    def _nodes(self, passages: Sequence[str]) -> list[NodeWithScore]:
        return [
            NodeWithScore(node=TextNode(id_=str(i), text=text), score=0.5)
            for i, text in enumerate(passages)
        ]

    def _ranking(self, nodes: list[NodeWithScore]) -> Ranking:
        return [(node.node.node_id, node.score) for node in nodes]


class LangChain:
    """`CrossEncoderCompressor.compress_documents`."""

    limit = "top_n"

    def rank(self, query: Any, passages: Sequence[str], **options: Any) -> Ranking:
        compressor = CrossEncoderCompressor(**options)
        return self._ranking(compressor.compress_documents(self._documents(passages), query))

    def arank(self, query: Any, passages: Sequence[str], **options: Any) -> Ranking:
        compressor = CrossEncoderCompressor(**options)
        documents = self._documents(passages)
        return self._ranking(asyncio.run(compressor.acompress_documents(documents, query)))

    def _documents(self, passages: Sequence[str]) -> list[LangChainDocument]:
        return [LangChainDocument(id=str(i), page_content=t) for i, t in enumerate(passages)]

    def _ranking(self, documents: Sequence[LangChainDocument]) -> Ranking:
        return [(document.id, document.metadata["relevance_score"]) for document in documents]


WRAPPERS: dict[str, Wrapper] = {
    "haystack": Haystack(),
    "llama_index": LlamaIndex(),
    "langchain": LangChain(),
}
