"""The LangChain compressor: its conventions, and the faults of others that it does not have."""

import asyncio
import copy
import json
import pickle
from collections.abc import Sequence
from concurrent.futures import Future
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_classic.retrievers.document_compressors import (
    CrossEncoderReranker,
    DocumentCompressorPipeline,
)
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda

from langchain_rerank_plugins import CrossEncoderCompressor, RerankCrossEncoder
from rerank_plugins import InvalidInputError, LabelRequiredError, PairScores, RerankError, Scorer
from rerank_plugins.testing import DeterministicScorer

TEXTS = ["the sea is blue", "a red fox", "fire", "red"]


class Page(Document):
    """A user's own kind of document."""

    number: int = 0


def documents() -> list[Document]:
    return [
        Page(id=f"d{i}", page_content=text, metadata={"source": {"line": i}}, number=i)
        for i, text in enumerate(TEXTS)
    ]


def compressor(**options: Any) -> CrossEncoderCompressor:
    return CrossEncoderCompressor(scorer=DeterministicScorer(), **options)


class FixedRetriever(BaseRetriever):
    """Returns the same documents for every query."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return documents()


def retriever(**options: Any) -> ContextualCompressionRetriever:
    return ContextualCompressionRetriever(
        base_compressor=compressor(**options), base_retriever=FixedRetriever()
    )


def test_it_is_a_document_compressor() -> None:
    assert isinstance(compressor(), BaseDocumentCompressor)


def test_documents_come_back_best_first_with_a_plain_float_score() -> None:
    found = compressor(top_n=2, annotate=True).compress_documents(documents(), "red fox")
    assert [document.id for document in found] == ["d1", "d3"]
    metadata = found[0].metadata
    assert type(metadata["relevance_score"]) is float
    assert json.loads(json.dumps(metadata))["relevance_score"] == metadata["relevance_score"]
    assert metadata["relevance_score_scale"] == "probability"
    assert metadata["relevance_truncated"] is False


def test_id_type_fields_and_metadata_are_kept() -> None:
    found = compressor(top_n=1).compress_documents(documents(), "red fox")[0]
    assert type(found) is Page
    assert (found.id, found.number, found.metadata["source"]) == ("d1", 1, {"line": 1})


def test_the_callers_documents_are_not_touched() -> None:
    given = documents()
    before = copy.deepcopy(given)
    found = compressor().compress_documents(given, "red fox")
    assert given == before
    assert not {id(document.metadata) for document in given} & {id(d.metadata) for d in found}


def test_a_stale_relevance_score_does_not_overwrite_the_new_one() -> None:
    stale = Document(page_content="a red fox", metadata={"relevance_score": 7, "id": "mine"})
    keep = {"annotate": True, "keep_retrieval_score": True}
    once = compressor(**keep).compress_documents([stale], "red fox")
    twice = compressor(scale="logit", **keep).compress_documents(once, "red fox")
    assert once[0].metadata["relevance_score"] == pytest.approx(0.982, abs=1e-3)
    assert twice[0].metadata["relevance_score"] == 4.0
    assert once[0].metadata["retrieval_score"] == twice[0].metadata["retrieval_score"] == 7
    assert twice[0].metadata["id"] == "mine"


def test_a_numpy_score_of_an_earlier_compressor_survives_json() -> None:
    given = Document(page_content="red", metadata={"relevance_score": np.float32(0.25)})
    found = compressor(keep_retrieval_score=True).compress_documents([given], "red")[0]
    assert json.loads(json.dumps(found.metadata))["retrieval_score"] == 0.25


def test_a_second_compressor_does_not_take_the_first_for_the_retriever() -> None:
    subject = compressor(annotate=True, keep_retrieval_score=True)
    once = subject.compress_documents(documents(), "red fox")
    for found in subject.compress_documents(once, "sea"):
        assert "retrieval_score" not in found.metadata


def test_a_negative_top_n_is_refused_and_not_a_slice_from_the_end() -> None:
    with pytest.raises(ValueError, match=r"top_n must be > 0, but got -1\."):
        compressor(top_n=-1)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        compressor(top_k=3)


def test_options_assigned_later_take_effect_and_are_checked() -> None:
    subject = compressor()
    subject.top_n = 1
    assert len(subject.compress_documents(documents(), "red")) == 1
    with pytest.raises(InvalidInputError, match="top_n must be > 0"):
        subject.top_n = 0
    assert subject.top_n == 1
    assert len(subject.compress_documents(documents(), "red")) == 1


def test_a_copy_with_other_options_ranks_by_them() -> None:
    subject = compressor()
    copied = subject.model_copy(update={"top_n": 1})
    assert len(copied.compress_documents(documents(), "red")) == 1
    assert len(subject.compress_documents(documents(), "red")) == len(documents())
    with pytest.raises(InvalidInputError, match="top_n must be > 0"):
        subject.model_copy(update={"top_n": 0})


def test_a_head_with_several_columns_is_refused_without_a_label(
    three_column_model: Path,
) -> None:
    subject = CrossEncoderCompressor(model=three_column_model)
    with pytest.raises(LabelRequiredError):
        subject.compress_documents(documents(), "red")
    assert CrossEncoderCompressor(model=three_column_model, label="exact").compress_documents(
        documents(), "red"
    )


def test_a_token_is_neither_shown_dumped_nor_pickled() -> None:
    subject = CrossEncoderCompressor(model="embedded", token="hf_secret")
    shown = repr(subject) + subject.model_dump_json() + str(subject.model_dump())
    assert "hf_secret" not in shown
    assert b"hf_secret" not in pickle.dumps(subject)


def test_it_survives_pickle_copy_and_its_own_dump() -> None:
    subject = CrossEncoderCompressor(model="embedded", top_n=2, scale="logit", max_length=64)
    wanted = subject.compress_documents(documents(), "red fox")
    again = CrossEncoderCompressor(**json.loads(subject.model_dump_json()))
    for other in (again, pickle.loads(pickle.dumps(subject)), copy.deepcopy(subject)):
        assert other.compress_documents(documents(), "red fox") == wanted


def test_a_list_of_devices_and_the_limits_of_the_queue_survive_their_dump() -> None:
    options = {"device": ["cpu", "cpu"], "timeout": 60.0, "max_queue_pairs": 500}
    dumped = CrossEncoderCompressor(model="embedded", **options).model_dump_json()
    again = CrossEncoderCompressor(**json.loads(dumped))
    assert {name: getattr(again, name) for name in options} == options
    assert again.compress_documents(documents(), "red fox")
    assert len(again._ready().scorer._shared.engine.backends) == 2


def test_a_path_as_model_is_dumped_as_text(tiny_model: Path, tmp_path: Path) -> None:
    subject = CrossEncoderCompressor(model=tiny_model, cache_folder=tmp_path)
    dumped = json.loads(subject.model_dump_json())
    assert (dumped["model"], dumped["cache_folder"]) == (str(tiny_model), str(tmp_path))


def test_every_field_is_a_constructor_argument_and_is_dumped_unless_it_is_a_secret() -> None:
    fields = set(CrossEncoderCompressor.model_fields)
    assert set(CrossEncoderCompressor(model="embedded").model_dump()) == fields - {"token"}


def test_the_stock_reranker_takes_the_cross_encoder_in_place_of_the_community_one() -> None:
    cross_encoder = RerankCrossEncoder(scorer=DeterministicScorer())
    stock = CrossEncoderReranker(model=cross_encoder, top_n=2)
    found = stock.compress_documents(documents(), "red fox")
    assert [document.id for document in found] == ["d1", "d3"]
    scores = cross_encoder.score([("red", "red"), ("red", "sea")])
    assert [type(score) for score in scores] == [float, float]
    logits = RerankCrossEncoder(scorer=DeterministicScorer(), scale="logit")
    assert logits.score([("red", "red"), ("red", "sea")]) == [4.0, -4.0]


def test_a_compressor_pipeline_hands_its_callbacks_on() -> None:
    tracer = Tracer()
    pipeline = DocumentCompressorPipeline(transformers=[compressor(top_n=1)])
    assert len(pipeline.compress_documents(documents(), "red fox", callbacks=[tracer])) == 1
    assert tracer.ended["CrossEncoderCompressor"]["documents"][0].id == "d1"


class Tracer(BaseCallbackHandler):
    """Keeps what a tracer such as LangSmith would show."""

    def __init__(self) -> None:
        self.names: dict[UUID, str] = {}
        self.parents: dict[str, str | None] = {}
        self.inputs: dict[str, Any] = {}
        self.ended: dict[str, Any] = {}
        self.errors: dict[str, BaseException] = {}

    def _started(self, name: str, run_id: UUID, parent: UUID | None, inputs: Any) -> None:
        self.names[run_id] = name
        self.parents[name] = None if parent is None else self.names[parent]
        self.inputs[name] = inputs

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        self._started("retriever", kwargs["run_id"], kwargs.get("parent_run_id"), query)

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self._started(kwargs["name"], kwargs["run_id"], kwargs.get("parent_run_id"), inputs)

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        self.ended[self.names[kwargs["run_id"]]] = outputs

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        self.errors[self.names[kwargs["run_id"]]] = error


@pytest.mark.parametrize("is_async", [False, True])
def test_reranking_is_a_child_run_of_the_retriever_in_traces(*, is_async: bool) -> None:
    tracer = Tracer()
    config = {"callbacks": [tracer]}
    subject = retriever(top_n=2)
    if is_async:
        found = asyncio.run(subject.ainvoke("red fox", config=config))
    else:
        found = subject.invoke("red fox", config=config)
    assert [document.id for document in found] == ["d1", "d3"]
    assert tracer.parents["CrossEncoderCompressor"] == "retriever"
    assert tracer.inputs["CrossEncoderCompressor"] == {
        "query": "red fox",
        "documents": documents(),
    }
    assert tracer.ended["CrossEncoderCompressor"] == {"documents": found}


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_reaches_tracers_and_the_caller(*, is_async: bool) -> None:
    tracer = Tracer()
    subject = CrossEncoderCompressor(model="./nowhere")

    async def outcome() -> list[Document]:
        if is_async:
            return await subject.acompress_documents(documents(), "red", callbacks=[tracer])
        return subject.compress_documents(documents(), "red", callbacks=[tracer])

    with pytest.raises(RerankError) as caught:
        asyncio.run(outcome())
    assert tracer.errors["CrossEncoderCompressor"] is caught.value


class LaterScorer(Scorer):
    """Answers when told to."""

    name = "later"

    def __init__(self) -> None:
        self.futures: list[Future[PairScores]] = []

    def submit(self, pairs: Any) -> "Future[PairScores]":
        self.futures.append(Future())
        return self.futures[-1]


async def test_the_event_loop_runs_while_documents_are_compressed() -> None:
    scorer = LaterScorer()
    subject = CrossEncoderCompressor(scorer=scorer)
    waiting = asyncio.create_task(subject.acompress_documents(documents()[:1], "red"))
    while not scorer.futures:
        await asyncio.sleep(0)  # only a free loop gets here again, to answer
    scorer.futures[0].set_result(PairScores(np.array([1.0], dtype=np.float32)))
    assert [document.id for document in await waiting] == ["d0"]


async def test_warm_up_does_not_block_the_loop_and_use_after_close_loads(
    tiny_model: Path,
) -> None:
    subject = CrossEncoderCompressor(model=tiny_model)
    await subject.awarm_up()
    subject.warm_up()
    subject.close()
    assert len(subject.compress_documents(documents(), "red")) == len(documents())


async def test_the_runnable_form_works_in_a_chain_sync_async_and_in_batch() -> None:
    runnable = compressor(top_n=1).as_runnable()
    inputs = [
        {"query": "red fox", "documents": documents()},
        {"query": "fire", "documents": documents()},
    ]
    wanted = [["d1"], ["d2"]]
    for outputs in (
        [runnable.invoke(one) for one in inputs],
        [await runnable.ainvoke(one) for one in inputs],
        runnable.batch(inputs),
        await runnable.abatch(inputs),
    ):
        assert [[document.id for document in found] for found in outputs] == wanted
    tracer = Tracer()
    runnable.invoke(inputs[0], config={"callbacks": [tracer]})
    assert tracer.parents["CrossEncoderCompressor"] == "rerank"


async def test_a_step_of_a_chain_that_compresses_is_the_parent_in_traces() -> None:
    subject = compressor(top_n=1)

    def compressed(query: str) -> Sequence[Document]:
        return subject.compress_documents(documents(), query)

    async def acompressed(query: str) -> Sequence[Document]:
        return await subject.acompress_documents(documents(), query)

    step = RunnableLambda(compressed, acompressed, name="step")
    tracers = Tracer(), Tracer()
    assert step.invoke("red fox", config={"callbacks": [tracers[0]]})
    assert await step.ainvoke("red fox", config={"callbacks": [tracers[1]]})
    for tracer in tracers:
        assert tracer.parents == {"step": None, "CrossEncoderCompressor": "step"}


@pytest.mark.parametrize("given", ["red fox", {"query": "red"}, {"question": "q", "documents": []}])
async def test_the_runnable_form_says_what_it_takes(given: Any) -> None:
    runnable = compressor().as_runnable()
    with pytest.raises(InvalidInputError, match=r'"documents": \[\.\.\.\]\}, but got'):
        runnable.invoke(given)
    with pytest.raises(InvalidInputError, match="but got"):
        await runnable.ainvoke(given)


async def test_the_runnable_form_survives_plain_pickle() -> None:
    runnable = pickle.loads(pickle.dumps(compressor(top_n=1).as_runnable()))
    inputs = {"query": "red fox", "documents": documents()}
    assert [document.id for document in runnable.invoke(inputs)] == ["d1"]
    assert [document.id for document in await runnable.ainvoke(inputs)] == ["d1"]
    chain = pickle.loads(pickle.dumps(runnable | itemgetter(0)))
    assert chain.invoke(inputs).id == "d1"
    with_token = CrossEncoderCompressor(model="embedded", token="hf_secret").as_runnable()
    assert b"hf_secret" not in pickle.dumps(with_token)
