"""RAG in LangChain, end to end: Chroma, MiniLM, our compressor, a prompt, an echoing model."""

import pytest
from langchain_chroma import Chroma

from examples.langchain_rag import PASSAGES_IN_PROMPT, build_chain, build_store
from langchain_rerank_plugins import CrossEncoderCompressor
from tests.handbook import HandbookQuestion, questions_that_need_a_reranker

QUESTIONS = questions_that_need_a_reranker()
each_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)


@pytest.fixture(scope="module")
def store() -> Chroma:
    return build_store()


@pytest.fixture(scope="module")
def compressor() -> CrossEncoderCompressor:
    return CrossEncoderCompressor(model="embedded", top_n=PASSAGES_IN_PROMPT)


@each_question
def test_without_the_compressor_the_answer_misses_the_prompt(
    store: Chroma, question: HandbookQuestion
) -> None:
    prompt = build_chain(store, None).invoke(question.query)
    assert "[2] " in prompt
    assert question.answer not in prompt


@each_question
def test_the_answer_is_first_in_the_prompt(
    store: Chroma, compressor: CrossEncoderCompressor, question: HandbookQuestion
) -> None:
    prompt = build_chain(store, compressor).invoke(question.query)
    assert f"[1] {question.answer}\n" in prompt
    assert "[2] " in prompt
    assert "[3] " not in prompt


async def test_async_batch_and_sync_give_the_same_prompts(
    store: Chroma, compressor: CrossEncoderCompressor
) -> None:
    chain = build_chain(store, compressor)
    queries = [question.query for question in QUESTIONS]
    wanted = [chain.invoke(query) for query in queries]
    assert [await chain.ainvoke(query) for query in queries] == wanted
    assert await chain.abatch(queries) == wanted
    assert chain.batch(queries) == wanted
