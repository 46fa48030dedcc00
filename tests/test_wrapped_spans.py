"""What the three wrappers make of spans, and of texts that are shortened to them."""

import copy
from typing import Any

import numpy as np
import pytest
from haystack import Document as HaystackDocument
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import (
    BaseNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeWithScore,
    TextNode,
)
from llama_index.core.schema import Document as LlamaIndexDocument

from rerank_plugins.testing import DeterministicScorer
from tests.wrappers import WRAPPERS

QUERY = "red fox"
TEXT = "A dog is grey.\n\nThe red fox sleeps in the wood.\n\nThe sea is blue.\n\nSnow is white."
FOX = "The red fox sleeps in the wood."
START = TEXT.index(FOX)
OFFSET = 1_000
"""Where the text starts in what it was cut from."""


def document(framework: str, **metadata: Any) -> Any:
    """The framework's document with the text, which starts at the offset."""
    if framework == "haystack":
        return HaystackDocument(id="a", content=TEXT, meta={"split_idx_start": OFFSET, **metadata})
    if framework == "langchain":
        places = {"start_index": OFFSET}
        return LangChainDocument(id="a", page_content=TEXT, metadata={**places, **metadata})
    places = {"start_char_idx": OFFSET, "end_char_idx": OFFSET + len(TEXT)}
    hidden = {"excluded_embed_metadata_keys": list(metadata)}
    node = TextNode(id_="a", text=TEXT, metadata=metadata, **hidden, **places)
    return NodeWithScore(node=node)


def run(framework: str, given: Any, *, path: str = "run", **options: Any) -> Any:
    wrapper = WRAPPERS[framework]
    component = wrapper.make(scorer=DeterministicScorer(), **options)
    output = getattr(wrapper, path)(component, QUERY, [given])
    (found,) = output["documents"] if framework == "haystack" else output
    return found


def text_of(framework: str, found: Any) -> str:
    return {
        "haystack": lambda: found.content,
        "langchain": lambda: found.page_content,
        "llama_index": lambda: found.node.text,
    }[framework]()


def metadata_of(framework: str, found: Any) -> dict[str, Any]:
    metadata = {"haystack": "meta", "langchain": "metadata", "llama_index": "metadata"}
    return getattr(found, metadata[framework])


def start_of(framework: str, found: Any) -> int | None:
    if framework == "llama_index":
        return found.node.start_char_idx
    key = {"haystack": "split_idx_start", "langchain": "start_index"}[framework]
    return metadata_of(framework, found).get(key)


@pytest.mark.parametrize("path", ["run", "arun"])
@pytest.mark.parametrize("framework", WRAPPERS)
def test_spans_are_in_the_metadata_with_their_places_in_the_source(
    framework: str, path: str
) -> None:
    found = run(framework, document(framework), path=path, spans=True, max_spans=2, scale="logit")
    best, second = metadata_of(framework, found)["relevance_spans"]
    assert best == {
        "start": START,
        "end": START + len(FOX),
        "score": 4.0,
        "source_start": OFFSET + START,
        "source_end": OFFSET + START + len(FOX),
    }
    assert TEXT[second["start"] : second["end"]] == "A dog is grey."
    assert text_of(framework, found) == TEXT
    assert start_of(framework, found) == OFFSET


@pytest.mark.parametrize("framework", WRAPPERS)
def test_spans_have_no_place_in_a_source_that_is_unknown(framework: str) -> None:
    wrapper = WRAPPERS[framework]
    component = wrapper.make(scorer=DeterministicScorer(), spans=True)
    found = wrapper.metadata(wrapper.run(component, QUERY, wrapper.documents([TEXT, "Snow"])))
    assert [set(span) for span in found["0"]["relevance_spans"]] == [{"start", "end", "score"}]
    assert [span["end"] for span in found["1"]["relevance_spans"]] == [4]
    component.time_budget = 1e-9
    found = wrapper.metadata(wrapper.run(component, QUERY, wrapper.documents([TEXT])))
    assert found["0"]["relevance_spans"] is None
    component.spans = False
    component.annotate = True
    found = wrapper.metadata(wrapper.run(component, QUERY, wrapper.documents([TEXT])))
    assert "relevance_spans" not in found["0"]


@pytest.mark.parametrize("path", ["run", "arun"])
@pytest.mark.parametrize("framework", WRAPPERS)
def test_compress_keeps_the_parts_that_answer_and_says_where_they_start(
    framework: str, path: str
) -> None:
    given = document(framework, page=7)
    before = copy.deepcopy(given)
    threshold = {"compress_threshold": 0, "scale": "logit"}
    found = run(framework, given, path=path, compress="spans", **threshold)
    assert text_of(framework, found) == FOX
    assert start_of(framework, found) == OFFSET + START
    assert given == before
    moved = {"haystack": "split_idx_start", "langchain": "start_index"}.get(framework)
    added = {"relevance_score"} if framework == "langchain" else set()
    metadata = metadata_of(framework, found)
    assert set(metadata) == {"page", *added} | ({moved} if moved else set())
    assert TEXT not in str(metadata)
    identity = found.node.node_id if framework == "llama_index" else found.id
    assert identity == "a"


@pytest.mark.parametrize("framework", WRAPPERS)
def test_left_out_parts_leave_an_ellipsis(framework: str) -> None:
    threshold = {"compress_threshold": -4, "scale": "logit"}
    assert text_of(framework, run(framework, document(framework), compress="spans")) == FOX
    found = run(framework, document(framework), compress="spans", **threshold)
    assert text_of(framework, found) == TEXT
    text = f"{FOX}\n\nThe sea is blue.\n\nThe red fox eats."
    wrapper = WRAPPERS[framework]
    component = wrapper.make(scorer=DeterministicScorer(), compress="spans")
    output = wrapper.run(component, QUERY, wrapper.documents([text]))
    (found,) = output["documents"] if framework == "haystack" else output
    assert text_of(framework, found) == f"{FOX} … The red fox eats."


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_text_stays_whole_if_the_time_budget_is_spent(framework: str) -> None:
    found = run(framework, document(framework), compress="spans", time_budget=1e-9)
    assert text_of(framework, found) == TEXT
    assert start_of(framework, found) == OFFSET


def test_in_llama_index_the_end_moves_with_the_text_and_no_text_shows_spans() -> None:
    options = {"compress": "spans", "spans": True, "compress_threshold": 0, "scale": "logit"}
    found = run("llama_index", document("llama_index"), **options).node
    assert (found.start_char_idx, found.end_char_idx) == (OFFSET + START, OFFSET + START + len(FOX))
    for mode in (MetadataMode.EMBED, MetadataMode.LLM):
        assert found.get_content(metadata_mode=mode) == FOX


@pytest.mark.parametrize("place", [OFFSET, float(OFFSET), np.int64(OFFSET)])
@pytest.mark.parametrize("framework", ["haystack", "langchain"])
def test_a_place_may_be_any_kind_of_whole_number(framework: str, place: Any) -> None:
    key = {"haystack": "split_idx_start", "langchain": "start_index"}[framework]
    options = {"compress": "spans", "spans": True, "compress_threshold": 0, "scale": "logit"}
    found = run(framework, document(framework, **{key: place}), **options)
    assert start_of(framework, found) == OFFSET + START
    (span,) = metadata_of(framework, found)["relevance_spans"]
    assert span["source_start"] == OFFSET + START
    found = run(framework, document(framework, **{key: OFFSET + 0.5}), **options)
    assert start_of(framework, found) == OFFSET + 0.5


@pytest.mark.parametrize(
    "node",
    [
        LlamaIndexDocument(text=TEXT, metadata={"title": "Animals"}),
        Node(text_resource=MediaResource(text=TEXT), metadata={"title": "Animals"}),
        TextNode(text=TEXT, metadata={"title": "Animals"}),
        TextNode(
            text=f"\n\n   {TEXT}\n",
            metadata={"title": "Animals"},
            text_template="{content}\n\n{metadata_str}",
        ),
    ],
    ids=["document", "node", "text node", "content first"],
)
def test_in_llama_index_compress_shortens_nodes_of_every_kind(node: BaseNode) -> None:
    options = {"compress": "spans", "spans": True, "compress_threshold": 0, "scale": "logit"}
    before = node.get_content()
    found = run("llama_index", NodeWithScore(node=node), **options).node
    assert found.get_content() == FOX
    (span,) = found.metadata["relevance_spans"]
    assert before[span["start"] : span["end"]] == FOX
    assert node.get_content() == before


def test_a_document_without_text_stays_as_it_is() -> None:
    wrapper = WRAPPERS["haystack"]
    component = wrapper.make(scorer=DeterministicScorer(), compress="spans", spans=True)
    with pytest.warns(UserWarning, match="without text"):
        (found,) = wrapper.run(component, QUERY, wrapper.documents([None]))["documents"]
    assert (found.content, found.meta["relevance_spans"]) == (None, [])


def test_places_do_not_count_the_metadata_that_the_model_reads_before_the_text() -> None:
    options = {"spans": True, "compress": "spans", "compress_threshold": 0, "scale": "logit"}
    given = document("haystack", title="Animals")
    found = run("haystack", given, meta_fields_to_embed=["title"], **options)
    assert found.content == FOX
    assert [span["start"] for span in found.meta["relevance_spans"]] == [START]
    node = TextNode(id_="a", text=TEXT, metadata={"title": "Animals"}, start_char_idx=OFFSET)
    found = run("llama_index", NodeWithScore(node=node), **options).node
    assert found.text == FOX
    assert (found.start_char_idx, found.end_char_idx) == (OFFSET + START, OFFSET + START + len(FOX))
    assert [span["start"] for span in found.metadata["relevance_spans"]] == [START]
