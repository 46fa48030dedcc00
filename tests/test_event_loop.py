"""A heartbeat on the event loop goes on while a model works, in every framework's async path."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from haystack import Document, Pipeline
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document as LangChainDocument
from langchain_core.retrievers import BaseRetriever
from llama_index.core import QueryBundle
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever as LlamaIndexRetriever
from llama_index.core.schema import NodeWithScore, TextNode

from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker
from langchain_rerank_plugins import CrossEncoderCompressor
from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank
from rerank_plugins import CrossEncoderScorer
from tests.tiny_models import WORDS

QUERY = "what is a red fox"
PASSAGES = [" ".join(np.random.default_rng(n).choice(WORDS, 80)) for n in range(80)]

BEAT = 0.001
"""Seconds between two heartbeats, if nothing is late."""

BOUND = 0.05
"""Seconds that no heartbeat is late in the best of the attempts: a blocking call takes 0.4."""

PATIENCE = 120
"""Seconds of attempts: on a loaded machine the whole process is late at times."""


class Paths:
    """One framework's blocking and async way to the same scores, on the embedded model."""

    def __init__(self, block: Callable[[], Any], run: Callable[[], Awaitable[Any]]) -> None:
        self.block = block
        self.run = run


def core() -> Paths:
    scorer = CrossEncoderScorer("embedded")
    scorer.warm_up()
    return Paths(
        lambda: scorer.score(QUERY, PASSAGES),
        lambda: scorer.ascore(QUERY, PASSAGES),
    )


def haystack() -> Paths:
    pipeline = Pipeline()
    pipeline.add_component("ranker", CrossEncoderRanker(model="embedded", top_k=3))
    inputs = {"ranker": {"query": QUERY, "documents": [Document(content=p) for p in PASSAGES]}}
    return Paths(lambda: pipeline.run(inputs), lambda: pipeline.run_async(inputs))


class FixedNodes(LlamaIndexRetriever):
    """A first stage that always finds the same."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text=text), score=0.5) for text in PASSAGES]


def llama_index() -> Paths:
    engine = RetrieverQueryEngine.from_args(
        FixedNodes(),
        llm=MockLLM(),
        node_postprocessors=[CrossEncoderRerank(model="embedded", top_n=3)],
    )
    return Paths(lambda: engine.query(QUERY), lambda: engine.aquery(QUERY))


class FixedDocuments(BaseRetriever):
    """A first stage that always finds the same."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[LangChainDocument]:
        return [LangChainDocument(page_content=text) for text in PASSAGES]


def langchain() -> Paths:
    retriever = ContextualCompressionRetriever(
        base_compressor=CrossEncoderCompressor(model="embedded", top_n=3),
        base_retriever=FixedDocuments(),
    )
    return Paths(lambda: retriever.invoke(QUERY), lambda: retriever.ainvoke(QUERY))


async def slips_during(work: Awaitable[Any]) -> list[float]:
    """How late each heartbeat came while the work was under way, in seconds."""
    slips: list[float] = []

    async def beat() -> None:
        while True:
            due = time.perf_counter() + BEAT
            await asyncio.sleep(BEAT)
            slips.append(time.perf_counter() - due)

    heart = asyncio.ensure_future(beat())
    await asyncio.sleep(5 * BEAT)
    slips.clear()
    await work
    await asyncio.sleep(2 * BEAT)
    heart.cancel()
    return slips


@pytest.mark.parametrize("framework", [core, haystack, llama_index, langchain])
async def test_the_heart_beats_on_while_a_model_works(framework: Callable[[], Paths]) -> None:
    paths = framework()
    paths.block()  # the model is loaded, everything is imported

    took = []

    async def blocking() -> None:
        start = time.perf_counter()
        paths.block()
        took.append(time.perf_counter() - start)

    assert max(await slips_during(blocking())) > took[0] / 2  # the heartbeat sees what blocks
    bound = min(BOUND, took[0] / 4)
    worst = []
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        worst.append(max(await slips_during(paths.run())))
        if worst[-1] < bound:
            return
    pytest.fail(f"the event loop stood still for {min(worst):.3f} seconds at the least")
