"""RAG in Haystack, end to end: Qdrant, MiniLM, our ranker, a prompt, an echoing generator."""

import pytest
from haystack import Document, Pipeline
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from examples.haystack_rag import build, embedded_handbook, inputs
from tests.handbook import HandbookQuestion, questions_that_need_a_reranker

QUESTIONS = questions_that_need_a_reranker()
each_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return embedded_handbook()


@pytest.fixture(scope="module")
def store(documents: list[Document]) -> QdrantDocumentStore:
    store = QdrantDocumentStore(":memory:", embedding_dim=384)
    store.write_documents(documents)
    return store


@pytest.fixture(scope="module")
def pipeline(store: QdrantDocumentStore) -> Pipeline:
    return build(store)


@each_question
def test_without_the_ranker_the_answer_misses_the_prompt(
    store: QdrantDocumentStore, question: HandbookQuestion
) -> None:
    prompt = prompt_of(
        build(store, rerank=False).run(inputs(question.query, rerank=False)),
    )
    assert "[2] " in prompt
    assert question.answer not in prompt


@each_question
def test_the_answer_is_first_in_the_prompt(pipeline: Pipeline, question: HandbookQuestion) -> None:
    prompt = prompt_of(pipeline.run(inputs(question.query)))
    assert f"[1] {question.answer}\n" in prompt
    assert "[2] " in prompt
    assert "[3] " not in prompt


async def test_async_gives_the_same_prompts(pipeline: Pipeline, documents: list[Document]) -> None:
    store = QdrantDocumentStore(":memory:", embedding_dim=384)
    await store.write_documents_async(documents)
    asynchronous = build(store)
    for question in QUESTIONS:
        result = await asynchronous.run_async(inputs(question.query))
        assert prompt_of(result) == prompt_of(pipeline.run(inputs(question.query)))


def test_a_pipeline_read_from_yaml_gives_the_same_prompts(
    pipeline: Pipeline, documents: list[Document]
) -> None:
    allowed = ["examples.haystack_rag"]  # its echo; the ranker needs no leave
    read = Pipeline.loads(pipeline.dumps(), allowed_modules=allowed)
    ranker, copy = (each.get_component("ranker") for each in (pipeline, read))
    assert copy is not ranker
    assert copy.to_dict() == ranker.to_dict()
    read.get_component("retriever")._document_store.write_documents(documents)  # a new, empty one
    for question in QUESTIONS:
        wanted = prompt_of(pipeline.run(inputs(question.query)))
        assert prompt_of(read.run(inputs(question.query))) == wanted


def prompt_of(result: dict[str, dict[str, list[str]]]) -> str:
    return result["llm"]["replies"][0]
