"""What is left of one reranker's annotations when another reranks its results."""

import copy
from typing import Any

import pytest
from llama_index.core.schema import MetadataMode

from rerank_plugins.testing import DeterministicScorer
from tests.wrappers import WRAPPERS, Wrapper

QUERY = "red fox"
PASSAGES = ["The sea is blue. The red fox sleeps.", "A red dog. Snow is white."]
SCALE = "relevance_score_scale"
FACTS = {SCALE, "relevance_model_score", "relevance_truncated"}


def reranked(wrapper: Wrapper, given: Any, scorer: Any = None, **options: Any) -> Any:
    """The documents of a reranker, for the next one or for `Wrapper.metadata`."""
    component = wrapper.make(scorer=scorer or DeterministicScorer(), **options)
    return wrapper.run(component, QUERY, documents_of(given))


def documents_of(output: Any) -> Any:
    return output["documents"] if isinstance(output, dict) else output


@pytest.fixture(params=WRAPPERS)
def wrapper(request: pytest.FixtureRequest) -> Wrapper:
    return WRAPPERS[request.param]


@pytest.fixture
def annotated(wrapper: Wrapper) -> Any:
    """Documents with everything that a reranker can write about them."""
    component = wrapper.make(model="embedded", annotate=True, spans=True)
    output = wrapper.run(component, QUERY, wrapper.documents(PASSAGES))
    windows = {"relevance_windows", "relevance_window", "relevance_spans"}
    for metadata in wrapper.metadata(output).values():
        assert set(metadata) == {"page", *FACTS, *windows}
    return output


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, {SCALE}),
        ({"compress": "spans"}, {SCALE}),
        ({"time_budget": 1e-9}, {SCALE}),
        ({"annotate": True}, FACTS),
        ({"annotate": True, "time_budget": 1e-9}, FACTS),
        ({"spans": True}, {SCALE, "relevance_spans"}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,  # a set has no order
)
def test_the_next_reranker_leaves_no_facts_of_the_first_beside_its_score(
    wrapper: Wrapper, annotated: Any, options: dict[str, Any], left: set[str]
) -> None:
    before = copy.deepcopy(annotated)
    output = reranked(wrapper, annotated, scale="logit", **options)
    assert annotated == before
    scores = dict(wrapper.ranking(output))
    for name, metadata in wrapper.metadata(output).items():
        assert set(metadata) == {"page", *left}
        scored = scores[name] is not None
        assert metadata[SCALE] == ("logit" if scored else None)
        assert metadata.get("relevance_model_score", scores[name]) == scores[name]
        assert scored is ("time_budget" not in options)


def test_what_nobody_annotated_has_no_mark(wrapper: Wrapper) -> None:
    output = reranked(wrapper, reranked(wrapper, wrapper.documents(PASSAGES), spans=True))
    assert wrapper.metadata(output) == {"0": {"page": 0}, "1": {"page": 1}}


def test_a_third_reranker_does_not_take_the_seconds_score_for_the_first_stages(
    wrapper: Wrapper, annotated: Any
) -> None:
    second = reranked(wrapper, annotated)
    for metadata in wrapper.metadata(reranked(wrapper, second, keep_retrieval_score=True)).values():
        assert "retrieval_score" not in metadata


def test_the_first_stages_score_stays_through_rerankers_that_do_not_ask_for_it(
    wrapper: Wrapper,
) -> None:
    keep = {"annotate": True, "keep_retrieval_score": True}
    output = reranked(wrapper, wrapper.documents(PASSAGES, 0.25), **keep)
    for options in ({}, {"keep_retrieval_score": True}, {"annotate": True}):
        output = reranked(wrapper, output, **options)
        kept = [metadata["retrieval_score"] for metadata in wrapper.metadata(output).values()]
        assert kept == [0.25, 0.25]


def test_llama_index_hides_the_keys_that_are_there_and_no_others() -> None:
    wrapper = WRAPPERS["llama_index"]
    asked = {"annotate": True, "spans": True, "keep_retrieval_score": True}
    once = reranked(wrapper, wrapper.documents(PASSAGES, 0.25), **asked)
    for scored in reranked(wrapper, once):
        added = {SCALE, "retrieval_score"}
        assert set(scored.node.metadata) == {"page", *added}
        assert sorted(scored.node.excluded_embed_metadata_keys) == sorted({"page", *added})
        assert sorted(scored.node.excluded_llm_metadata_keys) == sorted(added)
        assert "score" not in scored.node.get_content(MetadataMode.EMBED)
