"""RAG in LlamaIndex, end to end: Chroma, MiniLM, our postprocessor, an echoing model."""

import pickle

import pytest
from llama_index.core import VectorStoreIndex

from examples.llama_index_rag import PASSAGES_IN_PROMPT, build_engine, build_index
from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank
from tests.handbook import HandbookQuestion, questions_that_need_a_reranker

QUESTIONS = questions_that_need_a_reranker()
RULE = "---------------------\n"
each_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)


@pytest.fixture(scope="module")
def index() -> VectorStoreIndex:
    return build_index()


@pytest.fixture(scope="module")
def reranker() -> CrossEncoderRerank:
    return CrossEncoderRerank(model="embedded", top_n=PASSAGES_IN_PROMPT)


@each_question
def test_without_reranking_the_answer_misses_the_prompt(
    index: VectorStoreIndex, question: HandbookQuestion
) -> None:
    response = build_engine(index, None).query(question.query)
    assert len(response.source_nodes) == PASSAGES_IN_PROMPT
    assert question.answer not in str(response)


@each_question
def test_the_answer_is_first_in_the_prompt(
    index: VectorStoreIndex, reranker: CrossEncoderRerank, question: HandbookQuestion
) -> None:
    response = build_engine(index, reranker).query(question.query)
    assert f"{RULE}{question.answer}\n" in str(response)
    assert len(response.source_nodes) == PASSAGES_IN_PROMPT
    assert response.source_nodes[0].score == max(node.score for node in response.source_nodes)


async def test_async_and_sync_give_the_same_prompts(
    index: VectorStoreIndex, reranker: CrossEncoderRerank
) -> None:
    engine = build_engine(index, reranker)
    for question in QUESTIONS:
        assert str(await engine.aquery(question.query)) == str(engine.query(question.query))


@pytest.mark.parametrize(
    "copied",
    [
        lambda reranker: pickle.loads(pickle.dumps(reranker)),
        lambda reranker: CrossEncoderRerank.from_dict(reranker.to_dict()),
    ],
    ids=["pickle", "dict"],
)
def test_a_serialised_reranker_puts_the_answer_first(
    index: VectorStoreIndex, reranker: CrossEncoderRerank, copied: object
) -> None:
    assert callable(copied)
    engine = build_engine(index, copied(reranker))
    for question in QUESTIONS:
        assert f"{RULE}{question.answer}\n" in str(engine.query(question.query))
