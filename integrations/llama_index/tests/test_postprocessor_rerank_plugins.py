"""The LlamaIndex postprocessor: its conventions, and the faults of others that it does not have."""

import asyncio
import copy
import json
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import ImageNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index_instrumentation import get_dispatcher

from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank
from rerank_plugins import InvalidInputError, LabelRequiredError, PairScores, RerankError, Scorer
from rerank_plugins.testing import DeterministicScorer
from rerank_plugins.wrappers import NoTextWarning

TEXTS = ["the sea is blue", "a red fox", "fire", "red"]


def nodes() -> list[NodeWithScore]:
    return [
        NodeWithScore(
            node=TextNode(id_=f"n{i}", text=text, metadata={"page": {"number": i}}), score=0.1 * i
        )
        for i, text in enumerate(TEXTS)
    ]


def rerank(**options: Any) -> CrossEncoderRerank:
    return CrossEncoderRerank(scorer=DeterministicScorer(), **options)


def ids(found: list[NodeWithScore]) -> list[str]:
    return [node.node.node_id for node in found]


class Events(BaseEventHandler):
    """Keeps the events of reranking."""

    seen: list[Any]

    @classmethod
    def class_name(cls) -> str:
        return "Events"

    def handle(self, event: Any, **_: Any) -> None:
        if isinstance(event, (ReRankStartEvent, ReRankEndEvent, ExceptionEvent)):
            self.seen.append(event)


@pytest.fixture
def events() -> Iterator[list[Any]]:
    handler = Events(seen=[])
    root = get_dispatcher()
    root.add_event_handler(handler)
    yield handler.seen
    root.event_handlers.remove(handler)


def test_it_is_a_node_postprocessor_of_its_own_name() -> None:
    assert BaseNodePostprocessor in CrossEncoderRerank.__mro__
    assert CrossEncoderRerank.class_name() == "CrossEncoderRerank"


def test_nodes_come_back_best_first_with_a_plain_float_score() -> None:
    found = rerank(top_n=2).postprocess_nodes(nodes(), query_str="red fox")
    assert ids(found) == ["n1", "n3"]
    assert type(found[0].score) is float
    json.dumps([json.loads(node.model_dump_json()) for node in found])
    json.loads(found[0].to_json())


def test_the_callers_nodes_and_list_are_not_touched() -> None:
    given = nodes()
    before = copy.deepcopy(given)
    found = rerank(keep_retrieval_score=True).postprocess_nodes(given, query_str="red fox")
    assert given == before
    assert not {id(node.node) for node in given} & {id(node.node) for node in found}


@pytest.mark.parametrize("keep", [True, False])
def test_no_text_shows_what_reranking_added(*, keep: bool) -> None:
    subject = rerank(keep_retrieval_score=keep, annotate=keep)
    found = subject.postprocess_nodes(nodes(), query_str="red fox")
    for before, after in zip(nodes(), sorted(found, key=lambda n: n.node.node_id), strict=True):
        for mode in (MetadataMode.EMBED, MetadataMode.LLM, MetadataMode.NONE):
            assert after.node.get_content(mode) == before.node.get_content(mode)
    scorer = DeterministicScorer()
    CrossEncoderRerank(scorer=scorer).postprocess_nodes(found, query_str="red fox")
    assert not any("score" in passage for _, passage in scorer.calls[0])


def test_the_first_stage_score_is_kept_through_a_second_reranking() -> None:
    subject = rerank(keep_retrieval_score=True)
    once = subject.postprocess_nodes(nodes(), query_str="red fox")
    twice = subject.postprocess_nodes(once, query_str="sea")
    for found in (once, twice):
        scores = {node.node.node_id: node.metadata["retrieval_score"] for node in found}
        assert scores == {"n0": 0.0, "n1": 0.1, "n2": 0.2, "n3": pytest.approx(0.3)}
    assert "retrieval_score" not in rerank().postprocess_nodes(nodes(), query_str="a")[0].metadata


def test_scale_and_truncation_are_in_the_metadata() -> None:
    scorer = DeterministicScorer(max_words=8)
    subject = CrossEncoderRerank(scorer=scorer, scale="logit", annotate=True)
    long = NodeWithScore(node=TextNode(text="red " * 30), score=None)
    found = subject.postprocess_nodes([*nodes()[:1], long], query_str="red")
    assert [node.metadata["relevance_score_scale"] for node in found] == ["logit", "logit"]
    assert [node.metadata["relevance_truncated"] for node in found] == [True, False]


def test_the_model_reads_what_an_embedding_model_would() -> None:
    scorer = DeterministicScorer()
    node = TextNode(
        text="fox",
        metadata={"title": "Animals", "secret": "x"},
        excluded_embed_metadata_keys=["secret"],
    )
    CrossEncoderRerank(scorer=scorer).postprocess_nodes([NodeWithScore(node=node)], query_str="fox")
    assert scorer.calls == [[("fox", "title: Animals\n\nfox")]]


def test_other_kinds_of_nodes_stay_what_they_are() -> None:
    image = ImageNode(text="a red fox", image_url="http://127.0.0.1/fox.png")
    found = rerank().postprocess_nodes([NodeWithScore(node=image)], query_str="red")
    assert type(found[0].node) is ImageNode
    assert found[0].node.image_url == image.image_url


def test_a_missing_query_is_an_error_before_anything_is_reported(events: list[Any]) -> None:
    with pytest.raises(InvalidInputError, match=r"Missing query bundle in extra info\."):
        rerank().postprocess_nodes(nodes())
    with pytest.raises(ValueError, match=r"Missing query bundle in extra info\."):
        asyncio.run(rerank().apostprocess_nodes(nodes()))
    with pytest.raises(ValueError, match="Cannot specify both"):
        rerank().postprocess_nodes(nodes(), QueryBundle("a"), "a")
    with pytest.raises(InvalidInputError, match="query must be a string"):
        rerank().postprocess_nodes(nodes(), QueryBundle(None))
    assert events == []


def test_no_nodes_give_no_nodes_and_no_event_without_an_end(events: list[Any]) -> None:
    assert rerank().postprocess_nodes([], query_str="red") == []
    assert asyncio.run(rerank().apostprocess_nodes([], query_str="red")) == []
    assert events == []


def test_an_engine_that_assigns_its_callbacks_takes_neither_the_scorer_nor_its_counts() -> None:
    subject = CrossEncoderRerank(scorer={"url": "http://localhost:9"}, top_n=2)
    before = subject._ready()
    subject.callback_manager = CallbackManager([])
    assert subject._ready() is before
    subject.top_n = 3
    assert subject._ready() is not before


@pytest.mark.parametrize("is_async", [False, True])
def test_rerank_events_and_callbacks_carry_query_nodes_and_model(
    events: list[Any], *, is_async: bool
) -> None:
    debug = LlamaDebugHandler(print_trace_on_end=False)
    subject = rerank(top_n=2, callback_manager=CallbackManager([debug]))
    if is_async:
        found = asyncio.run(subject.apostprocess_nodes(nodes(), query_str="red fox"))
    else:
        found = subject.postprocess_nodes(nodes(), query_str="red fox")
    start, end = events
    assert isinstance(start, ReRankStartEvent)
    assert isinstance(end, ReRankEndEvent)
    assert (start.top_n, start.model_name, start.query.query_str) == (2, "deterministic", "red fox")
    assert ids(start.nodes) == ["n0", "n1", "n2", "n3"]
    assert ids(end.nodes) == ids(found) == ["n1", "n3"]
    legacy = debug.get_event_pairs(CBEventType.RERANKING)
    assert len(legacy) == 1
    assert ids(legacy[0][1].payload["nodes"]) == ["n1", "n3"]


def test_without_a_limit_the_start_event_names_the_number_of_nodes(events: list[Any]) -> None:
    rerank(top_n=None).postprocess_nodes(nodes(), query_str="red fox")
    assert events[0].top_n == 4


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failure_is_reported_and_raised(events: list[Any], *, is_async: bool) -> None:
    subject = CrossEncoderRerank(model="./nowhere")

    async def outcome() -> list[NodeWithScore]:
        if is_async:
            return await subject.apostprocess_nodes(nodes(), query_str="red")
        return subject.postprocess_nodes(nodes(), query_str="red")

    with pytest.raises(RerankError) as caught:
        asyncio.run(outcome())
    assert [type(event) for event in events] == [ReRankStartEvent, ExceptionEvent]
    assert events[1].exception is caught.value


@pytest.mark.parametrize("method", ["_postprocess_nodes", "_apostprocess_nodes"])
def test_both_paths_have_a_span(method: str) -> None:
    handler = SimpleSpanHandler()
    root = get_dispatcher()
    root.add_span_handler(handler)
    try:
        if method == "_apostprocess_nodes":
            asyncio.run(rerank().apostprocess_nodes(nodes(), query_str="red"))
        else:
            rerank().postprocess_nodes(nodes(), query_str="red")
    finally:
        root.span_handlers.remove(handler)
    assert any(f".{method}-" in span.id_ for span in handler.completed_spans)


def test_options_round_trip_and_every_field_is_a_constructor_argument(tmp_path: Path) -> None:
    subject = CrossEncoderRerank(
        model="embedded",
        top_n=3,
        score_threshold=0.2,
        keep_retrieval_score=True,
        annotate=True,
        device="cpu",
        max_length=100,
        cache_folder=tmp_path,
    )
    data = json.loads(json.dumps(subject.to_dict()))
    again = CrossEncoderRerank.from_dict(data)
    assert again.to_dict() == data
    assert again.device == "cpu"
    assert set(data) - {"class_name"} == set(CrossEncoderRerank.model_fields) - {
        "callback_manager",
        "token",
    }
    assert CrossEncoderRerank.from_json(subject.to_json()).top_n == 3


def test_a_scorer_object_is_not_silently_lost_in_serialisation() -> None:
    with pytest.raises(InvalidInputError, match="pass the scorer again"):
        rerank().to_dict()


def test_it_survives_pickle_with_equal_results() -> None:
    subject = CrossEncoderRerank(model="embedded", top_n=2)
    wanted = subject.postprocess_nodes(nodes(), query_str="red fox")
    again = pickle.loads(pickle.dumps(subject))
    assert again.postprocess_nodes(nodes(), query_str="red fox") == wanted
    with_scorer = pickle.loads(pickle.dumps(rerank(top_n=1)))
    assert ids(with_scorer.postprocess_nodes(nodes(), query_str="red fox")) == ["n1"]


def test_a_scorer_that_cannot_be_pickled_does_not_come_back_as_another_model() -> None:
    scorer = DeterministicScorer()
    scorer.lock = threading.Lock()  # type: ignore[attr-defined]
    subject = CrossEncoderRerank(scorer=scorer)
    with pytest.raises(InvalidInputError, match="cannot be pickled: its scorer cannot"):
        pickle.dumps(subject)
    assert subject.scorer is scorer
    subject = CrossEncoderRerank(model="embedded", cascade=[{"scorer": scorer, "keep": 10}])
    with pytest.raises(
        InvalidInputError, match="cannot be pickled: a scorer of its cascade cannot"
    ):
        pickle.dumps(subject)
    assert subject.cascade[0]["scorer"] is scorer


def test_what_was_pickled_goes_on_as_it_was() -> None:
    debug = LlamaDebugHandler(print_trace_on_end=False)
    debug.lock = threading.Lock()  # type: ignore[attr-defined]
    subject = rerank(callback_manager=CallbackManager([debug]))
    pickle.dumps(subject)
    assert subject.postprocess_nodes(nodes(), query_str="red fox")
    assert len(debug.get_event_pairs(CBEventType.RERANKING)) == 1


def test_a_first_stages_numpy_score_survives_json() -> None:
    given = [NodeWithScore(node=TextNode(text="red"), score=0.25)]
    given[0].score = np.float32(0.25)  # as other postprocessors leave it
    found = rerank(keep_retrieval_score=True).postprocess_nodes(given, query_str="red")[0]
    assert json.loads(found.to_json())["node"]["metadata"]["retrieval_score"] == 0.25


def test_a_list_of_devices_and_the_limits_of_the_queue_survive_their_dump() -> None:
    options = {"device": ["cpu", "cpu"], "timeout": 60.0, "max_queue_pairs": 500}
    again = CrossEncoderRerank.from_dict(CrossEncoderRerank(model="embedded", **options).to_dict())
    assert {name: getattr(again, name) for name in options} == options
    assert ids(again.postprocess_nodes(nodes(), query_str="red fox"))
    assert len(again._ready().scorer._shared.engine.backends) == 2


def test_a_token_is_in_no_dump_pickle_or_representation() -> None:
    subject = CrossEncoderRerank(model="embedded", token="hf_secret")
    assert "hf_secret" not in repr(subject) + subject.to_json() + subject.model_dump_json()
    assert b"hf_secret" not in pickle.dumps(subject)


def test_remote_code_is_off_and_the_field_says_what_is_used() -> None:
    assert CrossEncoderRerank(model="embedded").trust_remote_code is False
    allowed = CrossEncoderRerank(model="embedded", trust_remote_code=True)
    assert CrossEncoderRerank.from_dict(allowed.to_dict()).trust_remote_code is True
    assert allowed._ready().scorer._settings.trust_remote_code is True


def test_fields_assigned_later_take_effect_and_are_checked() -> None:
    subject = rerank()
    subject.top_n = 1
    assert len(subject.postprocess_nodes(nodes(), query_str="red")) == 1
    with pytest.raises(InvalidInputError, match="top_n must be > 0"):
        subject.top_n = 0
    assert subject.top_n == 1


def test_a_copy_with_other_options_ranks_by_them() -> None:
    subject = rerank()
    copied = subject.model_copy(update={"top_n": 1})
    assert len(copied.postprocess_nodes(nodes(), query_str="red")) == 1
    assert len(subject.postprocess_nodes(nodes(), query_str="red")) == len(nodes())


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        rerank(top_k=3)


def test_a_head_with_several_columns_is_refused_without_a_label(three_column_model: Path) -> None:
    with pytest.raises(LabelRequiredError):
        CrossEncoderRerank(model=three_column_model).postprocess_nodes(nodes(), query_str="red")


class LaterScorer(Scorer):
    """Answers when told to."""

    name = "later"

    def __init__(self) -> None:
        self.futures: list[Future[PairScores]] = []

    def submit(self, pairs: Any) -> "Future[PairScores]":
        self.futures.append(Future())
        return self.futures[-1]


async def test_the_event_loop_runs_while_nodes_are_reranked() -> None:
    scorer = LaterScorer()
    subject = CrossEncoderRerank(scorer=scorer)
    waiting = asyncio.create_task(subject.apostprocess_nodes(nodes()[:1], query_str="red"))
    while not scorer.futures:
        await asyncio.sleep(0)  # only a free loop gets here again, to answer
    scorer.futures[0].set_result(PairScores(np.array([1.0], dtype=np.float32)))
    assert ids(await waiting) == ["n0"]


async def test_warm_up_does_not_block_the_loop_and_use_after_close_loads(
    tiny_model: Path,
) -> None:
    subject = CrossEncoderRerank(model=tiny_model)
    await subject.awarm_up()
    subject.warm_up()
    subject.close()
    assert len(subject.postprocess_nodes(nodes(), query_str="red")) == len(nodes())


class Found(BaseRetriever):
    """Finds the same nodes for every query, and reranks them where it is told to."""

    def __init__(self, found: list[NodeWithScore], *reranker: CrossEncoderRerank) -> None:
        self._found, self._rerankers = found, reranker
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = copy.deepcopy(self._found)
        for reranker in self._rerankers:
            found = reranker.postprocess_nodes(found, query_bundle)
        return found


def fused_scores(mode: str, *retrievers: BaseRetriever) -> dict[str, float]:
    """The scores of a fusion, by the node's id."""
    options = {"llm": MockLLM(), "num_queries": 1, "use_async": False, "similarity_top_k": 9}
    fused = QueryFusionRetriever([*retrievers], mode=mode, **options).retrieve("red fox")
    return {scored.node.node_id: scored.score for scored in fused}


@pytest.mark.parametrize("mode", ["reciprocal_rerank", "relative_score"])
def test_a_fusion_of_a_plain_and_a_reranked_retriever_counts_no_node_twice(mode: str) -> None:
    found = [
        NodeWithScore(node=TextNode(id_=name, text=text, metadata={"page": name}), score=score)
        for name, text, score in [("d", "sea", 0.95), ("b", "a red fox", 0.8), ("a", "red", 0.7)]
    ]
    plain, reranked = Found(found), Found(found, rerank(top_n=2))
    by_id = {scored.node.node_id: scored.node for scored in found}
    stock = Found(  # LlamaIndex's own rerankers give back the very nodes
        [
            NodeWithScore(node=by_id[scored.node.node_id], score=scored.score)
            for scored in reranked.retrieve("red fox")
        ]
    )
    fused = fused_scores(mode, plain, reranked)
    assert fused == fused_scores(mode, plain, stock)
    if mode == "reciprocal_rerank":
        rounded = {name: round(score, 4) for name, score in fused.items()}
        assert rounded == {"b": 0.0331, "a": 0.0325, "d": 0.0167}


def test_an_ingestion_pipeline_does_not_take_reranked_nodes_for_new_ones() -> None:
    pipeline = IngestionPipeline(
        transformations=[],
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.DUPLICATES_ONLY,
    )
    assert len(pipeline.run(nodes=[scored.node for scored in nodes()])) == len(nodes())
    found = rerank().postprocess_nodes(nodes(), query_str="red fox")
    assert [scored.node.hash for scored in found] == [nodes()[i].node.hash for i in (1, 3, 0, 2)]
    assert pipeline.run(nodes=[scored.node for scored in found]) == []


def test_nothing_of_a_reranked_node_differs_from_the_node_that_was_given() -> None:
    picture = NodeWithScore(node=ImageNode(image="cGljdHVyZQ==", metadata={"a": 1}), score=0.5)
    given = [*nodes(), picture]
    found = rerank().postprocess_nodes(given, query_str="red fox")
    by_id = {scored.node.node_id: scored.node for scored in given}
    assert len(found) == len(given)
    for scored in found:
        assert scored.node.to_dict() == by_id[scored.node.node_id].to_dict()
        assert scored.node.metadata is not by_id[scored.node.node_id].metadata


@pytest.mark.parametrize("is_async", [False, True])
def test_a_chat_engine_that_is_given_a_query_bundle_reranks_by_its_text(
    events: list[Any], *, is_async: bool
) -> None:
    engine = ContextChatEngine.from_defaults(
        retriever=Found(nodes()),
        llm=MockLLM(),
        memory=ChatMemoryBuffer(token_limit=500),
        node_postprocessors=[rerank(top_n=2)],
    )
    bundle = QueryBundle("red fox")
    chatted = asyncio.run(engine.achat(bundle)) if is_async else engine.chat(bundle)
    assert ids(chatted.source_nodes) == ["n1", "n3"]
    assert events[0].query == bundle


def test_a_node_without_text_is_read_as_empty_with_a_warning() -> None:
    scorer = DeterministicScorer()
    bare = NodeWithScore(node=ImageNode(id_="picture", image="cGljdHVyZQ=="))
    captioned = NodeWithScore(node=ImageNode(id_="captioned", metadata={"caption": "a red fox"}))
    with pytest.warns(NoTextWarning, match=r"^1 of 2 nodes without text"):
        found = CrossEncoderRerank(scorer=scorer).postprocess_nodes(
            [bare, captioned], query_str="red"
        )
    assert scorer.calls == [[("red", ""), ("red", "caption: a red fox")]]
    assert ids(found) == ["captioned", "picture"]
