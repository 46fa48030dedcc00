"""Which order and which scores vector stores hand over, as docs/hybrid-search.md says."""

import chromadb
import pytest
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import QueryBundle, TextNode
from llama_index.vector_stores.chroma import ChromaVectorStore

from langchain_rerank_plugins import CrossEncoderCompressor
from rerank_plugins import InvalidInputError
from rerank_plugins.testing import DeterministicScorer

VECTORS = {
    "near": [0.9, 0.436],
    "nearly the same": [0.89, 0.456],
    "beside": [0.8, 0.6],
    "between": [0.7, 0.714],
    "far": [0.5, -0.866],
    "farther": [-0.5, -0.866],
    "farthest": [-1.0, 0.0],
}
QUERY = [1.0, 0.0]
IDS = list(VECTORS)


class KnownVectors(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [VECTORS[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return QUERY


@pytest.fixture
def found() -> list[Document]:
    """What LangChain's Chroma finds, with its scores in the metadata."""
    documents = [Document(id=text, page_content=text) for text in reversed(IDS)]
    store = Chroma.from_documents(documents, KnownVectors(), collection_name="orders")
    scored = store.similarity_search_with_score("x", k=len(IDS))
    store.delete_collection()
    return [
        Document(id=each.id, page_content=each.page_content, metadata={"distance": score})
        for each, score in scored
    ]


def compressor(**options: bool) -> CrossEncoderCompressor:
    """One whose model finds all passages equal."""
    indifferent = DeterministicScorer(lambda query, passage: 0.0)
    return CrossEncoderCompressor(
        scorer=indifferent,
        first_stage_weight=1.0,
        first_stage_score_field="distance",
        **options,
    )


def test_scores_of_chroma_in_langchain_are_distances_nearest_first(found: list[Document]) -> None:
    distances = [document.metadata["distance"] for document in found]
    assert [document.id for document in found] == IDS
    assert distances == sorted(distances)
    assert distances[0] < distances[-1]


def test_distances_rank_with_higher_is_better_false_and_are_refused_without(
    found: list[Document],
) -> None:
    ranked = compressor(higher_is_better=False).compress_documents(found, "x")
    assert [document.id for document in ranked] == IDS
    with pytest.raises(InvalidInputError, match="higher_is_better=False"):
        compressor().compress_documents(found, "x")


def test_scores_of_chroma_in_llama_index_fall_with_the_distance() -> None:
    client = chromadb.EphemeralClient()
    chroma = ChromaVectorStore(chroma_collection=client.get_or_create_collection("falling"))
    nodes = [TextNode(id_=text, text=text, embedding=VECTORS[text]) for text in reversed(IDS)]
    index = VectorStoreIndex(
        nodes,
        storage_context=StorageContext.from_defaults(vector_store=chroma),
        embed_model=MockEmbedding(embed_dim=2),
    )
    retriever = index.as_retriever(similarity_top_k=len(IDS))
    nodes_found = retriever.retrieve(QueryBundle("x", embedding=QUERY))
    client.delete_collection("falling")
    scores = [node.score for node in nodes_found]
    assert [node.node.node_id for node in nodes_found] == IDS
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]


def test_maximal_marginal_relevance_orders_by_what_is_new() -> None:
    few = ("near", "nearly the same", "far", "farther", "farthest")
    documents = [Document(id=text, page_content=text) for text in few]
    store = InMemoryVectorStore.from_documents(documents, KnownVectors())
    by_relevance = store.as_retriever(search_kwargs={"k": 3}).invoke("x")
    by_novelty = store.as_retriever(search_type="mmr", search_kwargs={"k": 3}).invoke("x")
    assert [each.id for each in by_relevance] == ["near", "nearly the same", "far"]
    assert [each.id for each in by_novelty] == ["near", "far", "nearly the same"]
