"""Windows in the three frameworks: the same scores, and a header of title and metadata."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from haystack import Document as HaystackDocument
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode
from sentence_transformers import CrossEncoder

from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker
from langchain_rerank_plugins import RerankCrossEncoder
from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank
from rerank_plugins import CrossEncoderScorer, Passage, Reranker
from tests.test_windows import QUERY, sentences
from tests.tiny_models import save_tiny_cross_encoder
from tests.wrappers import WRAPPERS

WINDOWS: dict[str, Any] = {
    "long_passages": "windows",
    "window_tokens": 20,
    "window_overlap": 5,
    "max_windows": 9,
    "scale": "logit",
}
PASSAGES = [sentences(12, seed=1), sentences(3, seed=2), sentences(90, seed=3), "a fox"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that no other module expects to be unloaded."""
    return save_tiny_cross_encoder(tmp_path_factory.mktemp("windows"))


def predicted(folder: Path, text: str) -> float:
    loaded = CrossEncoder(str(folder), device="cpu")
    return float(loaded.predict([(QUERY, text)], activation_fn=torch.nn.Identity())[0])


@pytest.mark.parametrize("path", ["rank", "arank"])
@pytest.mark.parametrize("framework", WRAPPERS)
def test_every_framework_scores_by_windows(framework: str, path: str, model: Path) -> None:
    with Reranker.from_options(model=str(model), **WINDOWS) as reranker:
        wanted = [(str(each.index), each.score) for each in reranker.rank(QUERY, PASSAGES)]
    run = getattr(WRAPPERS[framework], path)
    assert run(QUERY, PASSAGES, model=str(model), **WINDOWS) == wanted


@pytest.mark.parametrize("framework", WRAPPERS)
def test_annotations_say_what_was_read(framework: str, model: Path) -> None:
    wrapper = WRAPPERS[framework]
    component = wrapper.make(model=str(model), annotate=True, **WINDOWS)
    found = wrapper.metadata(wrapper.run(component, QUERY, wrapper.documents(PASSAGES)))
    assert [found[name]["relevance_windows"] for name in "123"] == [1, 9, 1]
    assert [found[name]["relevance_truncated"] for name in "0123"] == [False, False, True, False]
    start, end = found["2"]["relevance_window"]
    assert PASSAGES[2][start:end].endswith(".")
    assert json.dumps(found["2"]["relevance_window"]) == f"[{start}, {end}]"
    assert component.statistics.truncated == 1
    component.window_tokens = component.window_overlap = component.max_windows = None
    component.long_passages = "truncate"
    found = wrapper.metadata(wrapper.run(component, QUERY, wrapper.documents(PASSAGES)))
    assert not [name for name in found["2"] if name.startswith("relevance_window")]


def test_langchains_cross_encoder_scores_by_windows(model: Path) -> None:
    encoder = RerankCrossEncoder(model=str(model), **WINDOWS)
    with Reranker.from_options(model=str(model), **WINDOWS) as reranker:
        pairs = [(QUERY, text) for text in PASSAGES]
        assert encoder.score(pairs) == reranker.score_pairs(pairs)


def test_haystacks_meta_fields_are_the_header_of_every_window(model: Path) -> None:
    text = sentences(30)
    document = HaystackDocument(content=text, meta={"title": "Red sea", "year": 0, "none": None})
    fields = {"meta_fields_to_embed": ["title", "none", "year"], "embedding_separator": " - "}
    ranker = CrossEncoderRanker(str(model), annotate=True, **fields, **WINDOWS)
    (found,) = ranker.run(QUERY, [document])["documents"]
    start, end = found.meta["relevance_window"]
    wanted = predicted(model, f"Red sea - 0 - {text[start:end]}")
    assert found.score == pytest.approx(wanted, abs=1e-5)
    assert found.content == text
    plain = CrossEncoderRanker(str(model), scale="logit", **fields)
    (found,) = plain.run(QUERY, [document])["documents"]
    with CrossEncoderScorer(model) as scorer:
        assert found.score == scorer.score(QUERY, [f"Red sea - 0 - {text}"])[0]


def test_a_haystack_document_without_content_is_its_meta_fields(model: Path) -> None:
    ranker = CrossEncoderRanker(str(model), meta_fields_to_embed=["title"], **WINDOWS)
    (found,) = ranker.run(QUERY, [HaystackDocument(meta={"title": sentences(30)})])["documents"]
    with Reranker.from_options(model=str(model), **WINDOWS) as reranker:
        assert found.score == reranker.rank(QUERY, [sentences(30)])[0].score


TEMPLATES = {
    "metadata first": "{metadata_str}\n\n{content}",
    "metadata last": "{content}\n\n{metadata_str}",
    "around": "red {metadata_str}: {content} blue",
}


@pytest.mark.parametrize("text", [sentences(30), f"{sentences(30)}\n "], ids=["trimmed", "not"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_llama_indexs_metadata_is_in_every_window(template: str, text: str, model: Path) -> None:
    node = TextNode(
        text=text,
        metadata={"title": "Red sea", "number": 3},
        excluded_embed_metadata_keys=["number"],
        text_template=TEMPLATES[template],
    )
    whole = node.get_content(MetadataMode.EMBED)
    assert "number" not in whole
    given = [NodeWithScore(node=node)]
    rerank = CrossEncoderRerank(model=str(model), annotate=True, **WINDOWS)
    (found,) = rerank.postprocess_nodes(given, query_str=QUERY)
    start, end = found.node.metadata["relevance_window"]
    before, _, after = whole.partition(text.rstrip())
    wanted = predicted(model, f"{before}{text[start:end]}{after}")
    assert found.score == pytest.approx(wanted, abs=1e-5)
    plain = CrossEncoderRerank(model=str(model), scale="logit")
    (found,) = plain.postprocess_nodes(given, query_str=QUERY)
    with CrossEncoderScorer(model) as scorer:
        assert found.score == scorer.score(QUERY, [whole])[0]


@pytest.mark.parametrize("text", ["", "  ", "  a fox"])
def test_llama_indexs_nodes_are_read_as_an_embedding_model_reads_them(
    text: str, model: Path
) -> None:
    for metadata in ({}, {"title": "Red sea"}):
        for template in TEMPLATES.values():
            node = TextNode(text=text, metadata=metadata, text_template=template)
            rerank = CrossEncoderRerank(model=str(model), **WINDOWS)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("rerank_plugins.wrappers.documents.warnings.warn", lambda *_, **__: 0)
                (found,) = rerank.postprocess_nodes([NodeWithScore(node=node)], query_str=QUERY)
            with CrossEncoderScorer(model) as scorer:
                wanted = scorer.score(QUERY, [node.get_content(MetadataMode.EMBED)])[0]
            assert found.score == wanted


@pytest.mark.parametrize("text", ["", "  ", "A picture."])
def test_windows_of_a_node_whose_text_is_not_read_have_no_place(text: str, model: Path) -> None:
    node = TextNode(text=text, metadata={"summary": sentences(30)}, text_template="{metadata_str}")
    rerank = CrossEncoderRerank(model=str(model), annotate=True, **WINDOWS)
    (found,) = rerank.postprocess_nodes([NodeWithScore(node=node)], query_str=QUERY)
    with Reranker.from_options(model=str(model), **WINDOWS) as reranker:
        (wanted,) = reranker.rank(QUERY, [node.get_content(MetadataMode.EMBED)])
    assert found.score == wanted.score
    assert found.node.metadata["relevance_windows"] == wanted.windows > 1
    assert found.node.metadata["relevance_window"] is None


def test_a_title_in_a_file_is_a_header() -> None:
    from rerank_plugins.formats.passages import passage_of

    found = passage_of({"title": " Red ", "text": " the fox. \n"}, "line 1").text
    assert found == "Red  the fox."
    assert isinstance(found, Passage)
    assert (found.header, found.text) == ("Red ", " the fox.")
    assert passage_of({"title": "Red", "text": " "}, "line 1").text == "Red"
    assert passage_of({"text": " the fox "}, "line 1").text == "the fox"
