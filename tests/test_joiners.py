"""Which order the frameworks' joiners hand over, as the tables in docs/hybrid-search.md say."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from haystack import Document, Pipeline, component
from haystack.components.joiners import DocumentJoiner
from haystack.components.joiners.document_joiner import JoinMode
from haystack.components.retrievers import MultiRetriever
from haystack.utils.experimental import ExperimentalWarning
from langchain_classic.retrievers import EnsembleRetriever, MergerRetriever, MultiQueryRetriever
from langchain_core.documents import Document as Passage
from langchain_core.retrievers import BaseRetriever as LangChainRetriever
from langchain_core.runnables import RunnableLambda
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import BaseRetriever, QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker
from langchain_rerank_plugins import CrossEncoderCompressor
from llama_index.postprocessor.rerank_plugins import CrossEncoderRerank
from rerank_plugins.testing import DeterministicScorer
from tests.pages import ROOT

Found = list[tuple[str, float | None]]

# What the page says that the two retrievers find.
KEYWORDS: Found = [("a", 9.0), ("c", 7.0), ("b", 4.0)]
VECTORS: Found = [("c", 0.8), ("d", 0.7), ("e", 0.4)]
DISTANCES: Found = [("c", 0.2), ("d", 0.3), ("e", 0.6)]
UNSCORED: Found = [("c", None), ("d", None), ("e", None)]


@component
class FixedRetriever:
    """Finds what it was told."""

    def __init__(self, found: Found) -> None:
        self.found = found

    @component.output_types(documents=list[Document])
    def run(self, query: str, filters: Any = None, top_k: int | None = None) -> dict[str, Any]:
        return {"documents": haystack_documents(self.found)}


class FixedNodes(BaseRetriever):
    """Finds what it was told."""

    def __init__(self, found: Found, **metadata: str) -> None:
        super().__init__()
        self._found, self._metadata = found, metadata

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [
            NodeWithScore(node=TextNode(id_=id_, text=id_, metadata=self._metadata), score=score)
            for id_, score in self._found
        ]


class FixedPassages(LangChainRetriever):
    """Finds what it was told; for the query "vectors" what vectors find."""

    found: Found

    def _get_relevant_documents(self, query: str, **_: object) -> list[Passage]:
        found = VECTORS if query == "vectors" else self.found
        return [Passage(id=id_, page_content=id_) for id_, _ in found]


def haystack_documents(found: Found) -> list[Document]:
    return [Document(id=id_, content=id_, score=score) for id_, score in found]


def joined(mode: str, second: Found = VECTORS, **options: Any) -> str:
    """What a DocumentJoiner hands over."""
    joiner = DocumentJoiner(join_mode=mode, **options)
    found = [haystack_documents(each) for each in (KEYWORDS, second)]
    return " ".join(document.id for document in joiner.run(found)["documents"])


def both_connected(*names: str) -> str:
    """What a ranker gets from two retrievers of these names that are connected to its input."""
    pipeline = Pipeline()
    scorer = DeterministicScorer()
    pipeline.add_component("ranker", CrossEncoderRanker(scorer=scorer))
    for name, found in zip(names, (KEYWORDS, VECTORS), strict=True):
        pipeline.add_component(name, FixedRetriever(found))
        pipeline.connect(f"{name}.documents", "ranker.documents")
    pipeline.run({name: {"query": "x"} for name in (*names, "ranker")})
    return " ".join(passage for _, passage in scorer.calls[0])


def retrieved_together(mode: str) -> str:
    """What a MultiRetriever hands over."""
    with pytest.warns(ExperimentalWarning):
        retriever = MultiRetriever(
            retrievers={"bm25": FixedRetriever(KEYWORDS), "vectors": FixedRetriever(VECTORS)},
            join_mode=mode,
        )
    return " ".join(document.id for document in retriever.run("x")["documents"])


def fused(
    mode: str, second: Found = VECTORS, weights: list[float] | None = None, **metadata: str
) -> str:
    """What a QueryFusionRetriever hands over."""
    retriever = QueryFusionRetriever(
        [FixedNodes(KEYWORDS), FixedNodes(second, **metadata)],
        mode=mode,
        retriever_weights=weights,
        num_queries=1,
        similarity_top_k=10,
        llm=MockLLM(),
        use_async=False,
    )
    return " ".join(found.node.node_id for found in retriever.retrieve("x"))


def langchain_retrievers() -> list[LangChainRetriever]:
    return [FixedPassages(found=KEYWORDS), FixedPassages(found=VECTORS)]


def passages(retriever: LangChainRetriever) -> str:
    """What a retriever of LangChain hands over."""
    return " ".join(str(passage.id) for passage in retriever.invoke("x"))


def several_queries() -> MultiQueryRetriever:
    rewordings = RunnableLambda(lambda _: ["keywords", "vectors"])
    return MultiQueryRetriever(retriever=FixedPassages(found=KEYWORDS), llm_chain=rewordings)


def unsorted() -> str:
    """What every mode hands over that does not sort."""
    (order,) = {joined(mode.value, sort_by_score=False) for mode in JoinMode}
    return order


ROWS: dict[str, Callable[[], str]] = {
    **{f"DocumentJoiner, {mode.value}": partial(joined, mode.value) for mode in JoinMode},
    "DocumentJoiner, any mode, sort_by_score=False": unsorted,
    "two retrievers connected to the ranker": partial(both_connected, "bm25", "vectors"),
    "MultiRetriever, reciprocal_rank_fusion": partial(retrieved_together, "reciprocal_rank_fusion"),
    "MultiRetriever, concatenate": partial(retrieved_together, "concatenate"),
    **{f"QueryFusionRetriever, {mode.value}": partial(fused, mode.value) for mode in FUSION_MODES},
    "EnsembleRetriever": lambda: passages(EnsembleRetriever(retrievers=langchain_retrievers())),
    "MergerRetriever": lambda: passages(MergerRetriever(retrievers=langchain_retrievers())),
    "MultiQueryRetriever": lambda: passages(several_queries()),
}


def test_the_page_has_a_row_for_each_mode_with_the_order_that_it_hands_over() -> None:
    page = (ROOT / "docs" / "hybrid-search.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([a-e ]+) \| [^|]+ \| (yes|no) \|", page, re.MULTILINE)
    said = {name.replace("`", ""): order for name, order, _ in rows}
    assert said == {name: run() for name, run in ROWS.items()}
    # An order is called fit where no list as a whole comes before the other's own finds.
    for _, order, fits in rows:
        assert (order.index("d") < order.index("b")) == (fits == "yes")


def test_the_wrappers_rank_by_the_order_that_a_joiner_hands_over() -> None:
    options = {"scorer": DeterministicScorer(lambda query, text: 0.0), "first_stage_weight": 1}
    documents = DocumentJoiner(join_mode="reciprocal_rank_fusion").run(
        [haystack_documents(KEYWORDS), haystack_documents(VECTORS)]
    )["documents"]
    ranked = CrossEncoderRanker(**options).run("x", documents)["documents"]
    assert "".join(document.id for document in ranked) == "cadbe"
    nodes = FixedNodes([(document.id, None) for document in documents]).retrieve("x")
    processed = CrossEncoderRerank(**options).postprocess_nodes(nodes, query_str="x")
    assert "".join(node.node.node_id for node in processed) == "cadbe"
    found = EnsembleRetriever(retrievers=langchain_retrievers()).invoke("x")
    compressed = CrossEncoderCompressor(**options).compress_documents(found, "x")
    assert "".join(str(passage.id) for passage in compressed) == "cadbe"


def test_retrievers_connected_to_the_ranker_come_in_the_order_of_their_names() -> None:
    assert both_connected("z", "a") == "c d e a b"
    assert both_connected("a", "z") == "a c b d e"


def test_a_list_of_equal_scores_keeps_them_in_distribution_based_rank_fusion() -> None:
    found = [haystack_documents(each) for each in ([("z", 9.0)], VECTORS)]
    joiner = DocumentJoiner(join_mode="distribution_based_rank_fusion")
    best = joiner.run(found)["documents"][0]
    assert (best.id, best.score) == ("z", 9.0)  # the others are between 0 and 1


@pytest.mark.parametrize("mode", FUSION_MODES)
def test_weights_count_in_two_of_the_four_modes(mode: FUSION_MODES) -> None:
    moved = fused(mode.value, weights=[0.9, 0.1]) != fused(mode.value)
    assert moved == (mode.value in ("relative_score", "dist_based_score"))


@pytest.mark.parametrize("mode", ["relative_score", "dist_based_score"])
def test_a_list_without_scores_counts_for_nothing_where_scores_are_scaled(mode: str) -> None:
    assert fused(mode, UNSCORED) == "a c b d e"
    assert fused("reciprocal_rerank", UNSCORED) == "c a d b e"


def test_the_defaults_are_those_that_the_page_warns_of() -> None:
    assert DocumentJoiner().join_mode == JoinMode.CONCATENATE
    with pytest.warns(ExperimentalWarning):
        assert MultiRetriever(retrievers={}).join_mode == "reciprocal_rank_fusion"
    retriever = QueryFusionRetriever([FixedNodes(KEYWORDS)], llm=MockLLM())
    assert (retriever.mode, retriever.num_queries, retriever.similarity_top_k) == ("simple", 4, 2)


def test_what_a_joiner_takes_for_the_same_passage() -> None:
    assert fused("reciprocal_rerank", source="vectors") == "a c d b e"  # other metadata
    one = Passage(id="1", page_content="x", metadata={"source": "bm25"})
    two = Passage(id="2", page_content="x", metadata={"source": "vectors"})
    ensemble = EnsembleRetriever(retrievers=langchain_retrievers())
    assert ensemble.weighted_reciprocal_rank([[one], [two]]) == [one]
    ensemble.id_key = "source"
    assert ensemble.weighted_reciprocal_rank([[one], [two]]) == [one, two]


def test_a_passage_that_a_merger_retriever_hands_over_twice_comes_back_twice() -> None:
    found = MergerRetriever(retrievers=langchain_retrievers()).invoke("x")
    compressor = CrossEncoderCompressor(scorer=DeterministicScorer())
    assert [passage.id for passage in compressor.compress_documents(found, "c")][:2] == ["c", "c"]


def test_only_haystacks_reciprocal_ranks_are_right_with_distances() -> None:
    distances = {mode.value: joined(mode.value, DISTANCES) for mode in JoinMode}
    assert distances.pop("reciprocal_rank_fusion") == "c a d b e"
    assert all(order.index("e") < order.index("d") for order in distances.values())
    for mode in FUSION_MODES:
        order = fused(mode.value, DISTANCES)
        assert order.index("e") < order.index("d")
