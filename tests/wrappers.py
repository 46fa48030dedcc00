"""The three wrappers behind one face, so that one case table runs against all of them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from haystack import Document as HaystackDocument
from haystack import Pipeline
from haystack.dataclasses import ByteStream
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import ImageNode, NodeWithScore, TextNode

from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker
from langchain_rerank_plugins import CrossEncoderCompressor
from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank

Ranking = list[tuple[str, float | None]]
"""(document id, score), best first."""

Passages = Sequence[str | None]
"""Texts; `None` for a document of the framework that has none."""

Scores = float | Sequence[Any] | None
"""The first stage's score of all documents, or that of each."""


def spread(score: Scores, passages: Passages) -> Sequence[Any]:
    """A score for each passage."""
    one = score is None or isinstance(score, float)
    return [score] * len(passages) if one else list(score)


class Wrapper(ABC):
    """What a framework's user does, in one call."""

    limit: str
    kind: str
    score_field = "score"
    make: Callable[..., Any]

    def rank(self, query: Any, passages: Passages, score: Scores = None, **options: Any) -> Ranking:
        """Ranks documents made of the passages, whose ids are their positions."""
        documents = self.documents(passages, score)
        return self.ranking(self.run(self.make(**options), query, documents))

    def arank(
        self, query: Any, passages: Passages, score: Scores = None, **options: Any
    ) -> Ranking:
        """The same through the framework's async path."""
        documents = self.documents(passages, score)
        return self.ranking(self.arun(self.make(**options), query, documents))

    @abstractmethod
    def run(self, component: Any, query: Any, documents: Any) -> Any:
        """What the component gives for documents."""

    @abstractmethod
    def arun(self, component: Any, query: Any, documents: Any) -> Any:
        """What the component gives for documents in its async path."""

    @abstractmethod
    def dump(self, component: Any) -> str:
        """The component as the framework writes it down."""

    @abstractmethod
    def load(self, dumped: str) -> Any:
        """The component that was written down."""

    @abstractmethod
    def documents(self, passages: Passages, score: Scores = None) -> list[Any]:
        """The framework's documents, whose ids and pages are their positions, with a score."""

    @abstractmethod
    def ranking(self, output: Any) -> Ranking:
        """Ids and scores of what the component gave."""

    @abstractmethod
    def metadata(self, output: Any) -> dict[str, dict[str, Any]]:
        """The metadata of what the component gave, by id, without the score."""


class Haystack(Wrapper):
    """`CrossEncoderRanker.run`."""

    limit = "top_k"
    kind = "Document"
    make = CrossEncoderRanker

    def run(self, component: Any, query: Any, documents: Any) -> Any:
        return component.run(query, documents)

    def arun(self, component: Any, query: Any, documents: Any) -> Any:
        return asyncio.run(component.run_async(query, documents))

    def dump(self, component: Any) -> str:
        pipeline = Pipeline()
        pipeline.add_component("ranker", component)
        return pipeline.dumps()

    def load(self, dumped: str) -> Any:
        return Pipeline.loads(dumped).get_component("ranker")

    def documents(self, passages: Passages, score: Scores = None) -> list[Any]:
        return [
            HaystackDocument(
                id=str(i),
                content=text,
                blob=ByteStream(b"a picture") if text is None else None,
                meta={"page": i},
                score=each,
            )
            for i, (text, each) in enumerate(zip(passages, spread(score, passages), strict=True))
        ]

    def ranking(self, output: Any) -> Ranking:
        return [(document.id, document.score) for document in output["documents"]]

    def metadata(self, output: Any) -> dict[str, dict[str, Any]]:
        return {document.id: document.meta for document in output["documents"]}


class LlamaIndex(Wrapper):
    """`CrossEncoderRerank.postprocess_nodes`."""

    limit = "top_n"
    kind = "NodeWithScore"
    make = CrossEncoderRerank

    def run(self, component: Any, query: Any, documents: Any) -> Any:
        return component.postprocess_nodes(documents, query_str=query)

    def arun(self, component: Any, query: Any, documents: Any) -> Any:
        return asyncio.run(component.apostprocess_nodes(documents, query_str=query))

    def dump(self, component: Any) -> str:
        return component.to_json()

    def load(self, dumped: str) -> Any:
        return CrossEncoderRerank.from_json(dumped)

    def documents(self, passages: Passages, score: Scores = None) -> list[Any]:
        pages = [{"page": i} for i in range(len(passages))]
        hidden = {"excluded_embed_metadata_keys": ["page"]}
        return [
            NodeWithScore(
                node=ImageNode(id_=str(i), image="cGljdHVyZQ==", metadata=pages[i], **hidden)
                if text is None
                else TextNode(id_=str(i), text=text, metadata=pages[i], **hidden),
                score=each,
            )
            for i, (text, each) in enumerate(zip(passages, spread(score, passages), strict=True))
        ]

    def ranking(self, output: Any) -> Ranking:
        return [(node.node.node_id, node.score) for node in output]

    def metadata(self, output: Any) -> dict[str, dict[str, Any]]:
        return {node.node.node_id: node.node.metadata for node in output}


class LangChain(Wrapper):
    """`CrossEncoderCompressor.compress_documents`."""

    limit = "top_n"
    kind = "Document"
    score_field = "relevance_score"
    make = CrossEncoderCompressor

    def run(self, component: Any, query: Any, documents: Any) -> Any:
        return component.compress_documents(documents, query)

    def arun(self, component: Any, query: Any, documents: Any) -> Any:
        return asyncio.run(component.acompress_documents(documents, query))

    def dump(self, component: Any) -> str:
        return component.model_dump_json()

    def load(self, dumped: str) -> Any:
        return CrossEncoderCompressor.model_validate_json(dumped)

    def documents(self, passages: Passages, score: Scores = None) -> list[Any]:
        kept = [{} if one is None else {"relevance_score": one} for one in spread(score, passages)]
        return [
            LangChainDocument(id=str(i), page_content=text or "", metadata={"page": i, **kept[i]})
            for i, text in enumerate(passages)
        ]

    def ranking(self, output: Any) -> Ranking:
        return [(document.id, document.metadata.get("relevance_score")) for document in output]

    def metadata(self, output: Any) -> dict[str, dict[str, Any]]:
        return {
            document.id: {k: v for k, v in document.metadata.items() if k != "relevance_score"}
            for document in output
        }


WRAPPERS: dict[str, Wrapper] = {
    "haystack": Haystack(),
    "llama_index": LlamaIndex(),
    "langchain": LangChain(),
}
