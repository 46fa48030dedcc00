"""Places that wrappers give: right in the caller's own text and in its source, or none at all."""

import copy
import re
from typing import Any

import pytest
from haystack import Document as HaystackDocument
from haystack.dataclasses import ByteStream
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import (
    ImageNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeWithScore,
    TextNode,
)

from rerank_plugins.testing import DeterministicScorer
from tests.test_wrapped_spans import (
    FOX,
    OFFSET,
    START,
    TEXT,
    metadata_of,
    run,
    start_of,
    text_of,
)
from tests.wrappers import WRAPPERS

BEST: dict[str, Any] = {
    "spans": True,
    "compress": "spans",
    "compress_threshold": 0,
    "scale": "logit",
}
"""Finds spans, and keeps only sentences with a word of the query."""
TITLE = "The red fox and its red friends. Other animals."
HTML = '<p class="lead">A dog is <b>grey</b>.</p> <p>The red <b>fox</b> sleeps in the wood.</p>'


class Markup(TextNode):
    """A node that keeps its markup, and shows embedding models none of it."""

    def get_content(self, metadata_mode: MetadataMode = MetadataMode.NONE) -> str:
        return bare(self.text) if metadata_mode is MetadataMode.EMBED else self.text


class Bare(TextNode):
    """A node that keeps its markup, and shows nobody any of it."""

    def get_content(self, metadata_mode: MetadataMode = MetadataMode.NONE) -> str:
        return bare(self.text)


class BareMedia(Node):
    """The same of the other kind of node."""

    def get_content(self, metadata_mode: MetadataMode = MetadataMode.NONE) -> str:
        return bare(self.text_resource.text)


def bare(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


SUMMARISED = {"metadata": {"summary": TITLE}, "text_template": "{metadata_str}"}


@pytest.mark.parametrize("path", ["run", "arun"])
@pytest.mark.parametrize(
    "node",
    [
        Markup(text=HTML, start_char_idx=OFFSET, end_char_idx=OFFSET + len(HTML)),
        TextNode(text="Short.", start_char_idx=OFFSET, end_char_idx=OFFSET + 6, **SUMMARISED),
        Node(text_resource=MediaResource(text="Short."), **SUMMARISED),
    ],
    ids=["markup", "summary", "summary of media"],
)
def test_a_text_that_the_model_does_not_read_stays_whole_and_has_no_places(
    node: TextNode | Node, path: str
) -> None:
    read = node.get_content(MetadataMode.EMBED)
    given = copy.deepcopy(node)
    found = run("llama_index", NodeWithScore(node=node), path=path, **BEST)
    assert found.score == DeterministicScorer().score("red fox", [read])[0] > 0
    assert found.node.metadata == {**node.metadata, "relevance_spans": []}
    assert found.node.get_content() == node.get_content()
    assert found.node.hash != node.hash  # spans were asked for
    assert getattr(found.node, "start_char_idx", None) == getattr(node, "start_char_idx", None)
    assert getattr(found.node, "end_char_idx", None) == getattr(node, "end_char_idx", None)
    assert node == given


@pytest.mark.parametrize(
    "node", [Bare(text=HTML), BareMedia(text_resource=MediaResource(text=HTML))]
)
def test_compress_leaves_a_stored_text_alone_that_is_not_the_one_shown(node: Any) -> None:
    found = run("llama_index", NodeWithScore(node=node), **BEST).node
    (span,) = found.metadata["relevance_spans"]
    assert node.get_content()[span["start"] : span["end"]] == FOX
    assert found.get_content() == node.get_content()
    assert found.model_copy(update={"metadata": {}}).hash == node.hash  # of the stored text


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_start_of_minus_one_is_no_place(framework: str) -> None:
    """LangChain's splitters write it for a text that they did not find in its source."""
    found = run(framework, starting(framework, TEXT, -1), **BEST)
    assert text_of(framework, found) == FOX
    assert start_of(framework, found) == -1
    (span,) = metadata_of(framework, found)["relevance_spans"]
    assert span == {"start": START, "end": START + len(FOX), "score": 4.0}


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_text_with_an_ellipsis_starts_nowhere_but_its_spans_have_places(framework: str) -> None:
    text = f"A dog is grey.\n\n{FOX}\n\nThe sea is blue.\n\nThe red fox eats."
    given = starting(framework, text, OFFSET)
    before = copy.deepcopy(given)
    first = run(framework, given, max_spans=2, **BEST)
    assert text_of(framework, first) == f"{FOX} … The red fox eats."
    assert start_of(framework, first) is None
    assert not {"split_idx_start", "start_index"} & set(metadata_of(framework, first))
    if framework == "llama_index":
        assert first.node.end_char_idx is None
    spans = metadata_of(framework, first)["relevance_spans"]
    starts = {span["source_start"] - OFFSET for span in spans}
    assert starts == {text.index(FOX), text.index("The red fox eats.")}
    second = run(framework, first, max_spans=2, **BEST)
    spans = metadata_of(framework, second)["relevance_spans"]
    assert [set(span) for span in spans] == [{"start", "end", "score"}] * 2
    assert given == before


@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_text_that_is_cut_to_one_part_has_places_for_a_second_reranker(framework: str) -> None:
    first = run(framework, starting(framework, TEXT, OFFSET), compress="spans")
    second = run(framework, first, **BEST)
    (span,) = metadata_of(framework, second)["relevance_spans"]
    assert (span["start"], span["source_start"]) == (0, OFFSET + START)
    assert start_of(framework, second) == OFFSET + START


@pytest.mark.filterwarnings("ignore::rerank_plugins.wrappers.NoTextWarning")
@pytest.mark.parametrize("text", [None, "", " \n"])
@pytest.mark.parametrize("framework", WRAPPERS)
def test_a_document_without_text_has_no_spans_whatever_its_metadata_says(
    framework: str, text: str | None
) -> None:
    given = starting(framework, text, OFFSET, title=TITLE)
    before = copy.deepcopy(given)
    fields = {"meta_fields_to_embed": ["title"]} if framework == "haystack" else {}
    found = run(framework, given, **BEST, **fields)
    assert metadata_of(framework, found)["relevance_spans"] == []
    assert text_of(framework, found) == text_of(framework, given)
    assert start_of(framework, found) == OFFSET
    assert given == before


def starting(framework: str, text: str | None, start: int, **metadata: Any) -> Any:
    """The framework's document with a text that starts there in its source; `None` is an image."""
    if framework == "haystack":
        blob = ByteStream(b"an image") if text is None else None
        return HaystackDocument(
            content=text, blob=blob, meta={"split_idx_start": start, **metadata}
        )
    if framework == "langchain":
        places = {"start_index": start}
        return LangChainDocument(page_content=text or "", metadata={**places, **metadata})
    ends = {"start_char_idx": start, "end_char_idx": start + len(text or "")}
    node = (
        ImageNode(image="YW4gaW1hZ2U=", metadata=metadata, **ends)
        if text is None
        else TextNode(text=text, metadata=metadata, **ends)
    )
    return NodeWithScore(node=node)
