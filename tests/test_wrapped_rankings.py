"""What the three wrappers make of fusion, cascade and time budget beside the order."""

import asyncio
import copy
import json
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from haystack import Pipeline
from llama_index.core.schema import MetadataMode

from rerank_plugins import InvalidInputError, PairScores, Scorer, Statistics
from rerank_plugins.testing import DeterministicScorer, word_overlap
from tests.wrappers import WRAPPERS, Wrapper

QUERY = "red fox"
PASSAGES = ["a dog", "the red fox", "the sea", "a red dog", "fire"]
FACTS = {"relevance_score_scale", "relevance_model_score", "relevance_truncated"}
STAGE = {"model": "embedded", "keep": 20}


class Three(Scorer):
    """Scores the first three pairs that it gets, and never the others."""

    first_stage_weight = 1.0

    def __init__(self) -> None:
        self.left = 3

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        future: Future[PairScores] = Future()
        self.left -= len(pairs)
        if self.left >= 0:
            future.set_result(PairScores([word_overlap(*pair) for pair in pairs]))
        return future


def new_options(wrapper: Wrapper) -> dict[str, Any]:
    """All options of these rankings, none of them the default."""
    return {
        "first_stage_weight": 1.5,
        "higher_is_better": False,
        "first_stage_score_field": wrapper.score_field,
        "cascade": [{**STAGE, "max_length": 99, "first_stage_weight": "auto"}],
        "time_budget": 60.0,
        "spans": True,
        "max_spans": 2,
        "compress": "spans",
        "compress_threshold": 0.25,
        "compress_neighbours": True,
        "long_passages": "windows",
        "window_tokens": 99,
        "window_overlap": 9,
        "max_windows": 9,
    }


def values(component: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The options as the component has them."""
    return {name: getattr(component, name) for name in options}


def refused(make: Callable[[Wrapper], Any]) -> str:
    """The message, which is the same in all three frameworks, with which something is refused."""
    messages = set()
    for wrapper in WRAPPERS.values():
        with pytest.raises(InvalidInputError) as caught:
            make(wrapper)
        messages.add(str(caught.value).replace("nodes[", "documents["))
    (message,) = messages
    return message


@pytest.mark.parametrize("framework", WRAPPERS)
def test_the_options_are_written_down_and_read_again(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    options = new_options(wrapper)
    component = wrapper.make(model="embedded", **options)
    assert values(component, options) == options
    documents = wrapper.documents(PASSAGES, [0.5, 0.1, 0.2, 0.4, 0.3])
    wanted = wrapper.ranking(wrapper.run(component, QUERY, documents))
    for again in (
        wrapper.load(wrapper.dump(component)),
        pickle.loads(pickle.dumps(component)),
        copy.copy(component),
        copy.deepcopy(component),
    ):
        assert values(again, options) == options
        found = wrapper.ranking(wrapper.run(again, QUERY, documents))
        assert dict(found) == pytest.approx(dict(wanted))
        assert [name for name, _ in found] == [name for name, _ in wanted]
        again.cascade = [{**STAGE, "keep": 30}]
        assert component.cascade == options["cascade"]


@pytest.mark.parametrize("framework", WRAPPERS)
def test_numbers_of_numpys_are_written_down_as_pythons(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    stage = {"model": "embedded", "keep": np.int64(20), "first_stage_weight": np.float32(1.5)}
    given = {"first_stage_weight": np.float64(2.5), "time_budget": np.int64(3)}
    component = wrapper.make(model="embedded", cascade=(stage,), **given)
    plain = {"model": "embedded", "keep": 20, "first_stage_weight": 1.5}
    plainly = wrapper.make(model="embedded", cascade=[plain], first_stage_weight=2.5, time_budget=3)
    assert wrapper.dump(component) == wrapper.dump(plainly)
    assert type(component.cascade[0]["keep"]) is int


@pytest.mark.parametrize("framework", ["haystack", "llama_index"])
def test_a_cascade_with_a_scorer_object_is_not_written_down(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    stages = [STAGE, {"scorer": DeterministicScorer(), "keep": 10}]
    component = wrapper.make(model="embedded", cascade=stages)
    told = r"cascade with scorer objects cannot be serialised: cascade\[1\] is one.*\"keep\": 30}"
    with pytest.raises(InvalidInputError, match=told):
        wrapper.dump(component)
    again = pickle.loads(pickle.dumps(component))
    assert len(wrapper.ranking(wrapper.run(again, QUERY, wrapper.documents(PASSAGES)))) == 5


@pytest.mark.parametrize("framework", ["llama_index", "langchain"])
def test_a_dump_names_the_scorer_of_a_cascade_and_is_not_taken_back(framework: str) -> None:
    make = WRAPPERS[framework].make
    scorer = DeterministicScorer()
    given = make(model="embedded", cascade=[{"scorer": scorer, "keep": 10}])
    named = [{"keep": 10, "scorer": "deterministic"}]
    assert given.model_dump()["cascade"] == named
    assert json.loads(given.model_dump_json())["cascade"] == named
    for take_back in (
        lambda: make.model_validate(given.model_dump()),
        lambda: make.model_validate_json(given.model_dump_json()),
    ):
        with pytest.raises(ValueError, match=r"cascade\[0\]: scorer must be a Scorer, but got str"):
            take_back()
    assert given.cascade[0]["scorer"] is scorer
    assert make(model="embedded").model_dump()["cascade"] is None


def test_every_wrapper_refuses_more_documents_than_a_cascade_keeps() -> None:
    stages = [{**STAGE, "keep": 5}]
    told = refused(lambda wrapper: wrapper.make(model="embedded", cascade=stages))
    assert "10 passages are to come back, but the cascade keeps only 5" in told
    assert "Lower top_k (top_n in LlamaIndex and LangChain)" in told
    for wrapper in WRAPPERS.values():
        wrapper.make(model="embedded", cascade=stages, **{wrapper.limit: 5})
        wrapper.make(model="embedded", cascade=stages, **{wrapper.limit: None})


def test_every_wrapper_refuses_an_unknown_option_of_a_stage_and_lists_the_others() -> None:
    stages = [{**STAGE, "max_len": 3}]
    told = refused(lambda wrapper: wrapper.make(model="embedded", cascade=stages))
    assert told.startswith("cascade[0] has no option 'max_len'. Its options are keep, model,")


def test_every_wrapper_refuses_a_field_of_scores_that_no_weight_makes_count() -> None:
    field = {"first_stage_score_field": "score"}
    told = refused(lambda wrapper: wrapper.make(scorer=DeterministicScorer(), **field))
    assert told == (
        "first_stage_score_field goes with first_stage_weight, which is not given. Give "
        "first_stage_weight='auto' or a number, or leave first_stage_score_field out."
    )
    weighted = [{**STAGE, "first_stage_weight": "auto"}]
    for wrapper in WRAPPERS.values():
        assert wrapper.make(scorer=DeterministicScorer(), cascade=weighted, **field)


@pytest.mark.parametrize("path", ["run", "arun"])
def test_every_wrapper_names_the_document_that_has_no_score(path: str) -> None:
    options = {"first_stage_weight": 1, "first_stage_score_field": "rank"}

    def run(wrapper: Wrapper, score: Any, **more: Any) -> Any:
        component = wrapper.make(scorer=DeterministicScorer(), **{**options, **more})
        return getattr(wrapper, path)(component, QUERY, wrapper.documents(["a", "b"], score))

    told = refused(lambda wrapper: run(wrapper, None))
    assert told == (
        "documents[0] has no 'rank', which first_stage_score_field names; its metadata has 'page'. "
        "Name another field, or leave the option out: the order of the documents then counts."
    )
    for wrapper in WRAPPERS.values():
        field = {"first_stage_score_field": wrapper.score_field}
        with pytest.raises(InvalidInputError, match=rf"\[1\] has no '{wrapper.score_field}'"):
            run(wrapper, [0.5, None], **field)
        with pytest.raises(InvalidInputError, match=r"first_stage_scores\[1\] must be a finite"):
            run(wrapper, [0.5, float("nan")], **field)
        page = run(wrapper, None, first_stage_score_field="page", higher_is_better=False)
        assert [int(name) for name, _ in wrapper.ranking(page)] == [0, 1]


@pytest.mark.parametrize("framework", WRAPPERS)
def test_what_the_time_was_enough_for_comes_first_and_the_others_as_they_were_found(
    framework: str,
) -> None:
    wrapper = WRAPPERS[framework]
    options = {"time_budget": 2.0, wrapper.limit: 4, "scale": "logit"}
    ranking = wrapper.rank(QUERY, PASSAGES, 0.5, scorer=Three(), **options)
    assert ranking == [("1", 4.0), ("0", -4.0), ("2", -4.0), ("3", None)]


@pytest.mark.parametrize("framework", WRAPPERS)
def test_the_facts_say_what_the_model_said_and_nothing_of_what_it_did_not_read(
    framework: str,
) -> None:
    wrapper = WRAPPERS[framework]
    given = {"annotate": True, "keep_retrieval_score": True, "first_stage_weight": 2}
    component = wrapper.make(scorer=DeterministicScorer(), scale="logit", **given)
    documents = wrapper.documents(PASSAGES, 0.25)
    output = wrapper.run(component, QUERY, documents)
    found = wrapper.metadata(output)
    assert {one["relevance_score_scale"] for one in found.values()} == {"fused"}
    assert [found[name]["relevance_model_score"] for name in "01234"] == [-4, 4, -4, 0, -4]
    scores = dict(wrapper.ranking(output))
    assert scores["0"] == -4 + 2  # the first place has a bonus of 1, and the last one of 0
    assert scores["4"] == -4
    component.time_budget = 1e-9
    found = wrapper.metadata(wrapper.run(component, QUERY, documents))
    for name in "01234":
        facts = dict.fromkeys(FACTS)
        assert found[name] == {"page": int(name), "retrieval_score": 0.25, **facts}


@pytest.mark.parametrize("framework", WRAPPERS)
def test_statistics_count_what_the_last_model_of_a_cascade_read(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    small, large = DeterministicScorer(), DeterministicScorer(max_words=3)
    options = {"cascade": [{"scorer": small, "keep": 2}], wrapper.limit: 2}
    component = wrapper.make(scorer=large, **options)
    wrapper.run(component, QUERY, wrapper.documents(PASSAGES))
    assert component.statistics == large.statistics == Statistics(pairs=2, truncated=2)
    assert small.statistics == Statistics(pairs=5, truncated=0)
    component.close()
    assert (small.closed, large.closed) == (False, False)


def test_in_llama_index_no_text_shows_the_facts() -> None:
    wrapper = WRAPPERS["llama_index"]
    options = {"annotate": True, "first_stage_weight": 2}
    for budget in (None, 1e-9):
        component = wrapper.make(scorer=DeterministicScorer(), time_budget=budget, **options)
        for scored in wrapper.run(component, QUERY, wrapper.documents(PASSAGES)):
            assert set(scored.node.metadata) >= FACTS
            for mode in (MetadataMode.EMBED, MetadataMode.LLM):
                assert "relevance_" not in scored.node.get_content(metadata_mode=mode)


@pytest.mark.parametrize("framework", WRAPPERS)
def test_no_document_is_changed(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    documents = wrapper.documents(PASSAGES, [0.5, 0.4, 0.3, 0.2, 0.1])
    before = copy.deepcopy(documents)
    options = {**new_options(wrapper), "higher_is_better": True, "annotate": True}
    for budget in (None, 1e-9):
        component = wrapper.make(model="embedded", **{**options, "time_budget": budget})
        wrapper.run(component, QUERY, documents)
        assert documents == before


def test_haystack_takes_the_seconds_of_a_run() -> None:
    wrapper = WRAPPERS["haystack"]
    ranker = wrapper.make(scorer=DeterministicScorer(), time_budget=60)
    documents = wrapper.documents(PASSAGES)
    pipeline = Pipeline()
    pipeline.add_component("ranker", ranker)
    inputs = {"query": QUERY, "documents": documents}
    for output in (
        ranker.run(QUERY, documents, time_budget=1e-9),
        asyncio.run(ranker.run_async(QUERY, documents, time_budget=1e-9)),
        pipeline.run({"ranker": {**inputs, "time_budget": 1e-9}})["ranker"],
    ):
        assert wrapper.ranking(output) == [(name, None) for name in "01234"]
    assert all(score is not None for _, score in wrapper.ranking(ranker.run(QUERY, documents)))
    with pytest.raises(InvalidInputError, match="time_budget must be a number of seconds > 0"):
        ranker.run(QUERY, documents, time_budget=0)


def test_langchain_takes_the_seconds_of_a_call() -> None:
    wrapper = WRAPPERS["langchain"]
    compressor = wrapper.make(scorer=DeterministicScorer(), time_budget=60)
    documents = wrapper.documents(PASSAGES)
    runnable = pickle.loads(pickle.dumps(compressor.as_runnable()))
    inputs = {"query": QUERY, "documents": documents}
    for output in (
        compressor.compress_documents(documents, QUERY, time_budget=1e-9),
        asyncio.run(compressor.acompress_documents(documents, QUERY, time_budget=1e-9)),
        runnable.invoke(inputs, time_budget=1e-9),
        runnable.bind(time_budget=1e-9).invoke(inputs),
        runnable.bind(time_budget=1e-9).batch([inputs])[0],
        asyncio.run(runnable.ainvoke(inputs, time_budget=1e-9)),
        asyncio.run(runnable.bind(time_budget=1e-9).ainvoke(inputs)),
    ):
        assert wrapper.ranking(output) == [(name, None) for name in "01234"]
        assert all("relevance_score" not in document.metadata for document in output)
    assert all(score is not None for _, score in wrapper.ranking(runnable.invoke(inputs)))
    for fails in (
        lambda: runnable.invoke(inputs, time_budget=0),
        lambda: compressor.compress_documents(documents, QUERY, time_budget=0),
    ):
        with pytest.raises(InvalidInputError, match="time_budget must be a number of seconds > 0"):
            fails()
