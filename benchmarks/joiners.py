"""What the first stage's opinion is worth behind each way to join keyword and vector search.

python -m benchmarks.joiners COLLECTION... --bi-encoder MODEL [--depth N] [--sample N]
    [--resume FILE]

BM25 and the bi-encoder find N passages each, the joiners of the frameworks merge the two lists, and
the embedded model ranks the merged list by itself and with `first_stage_weight="auto"`.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from haystack import Document
from haystack.components.joiners import DocumentJoiner
from haystack.components.joiners.document_joiner import JoinMode
from langchain_classic.retrievers import EnsembleRetriever, MergerRetriever
from langchain_core.documents import Document as Passage
from langchain_core.retrievers import BaseRetriever as LangChainRetriever
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import BaseRetriever, QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from benchmarks.ranking import MEASURE, Values, say_how, show_rankings
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.cli.eval.scorers import loaded_scorers
from rerank_plugins.evaluation import (
    Comparison,
    JudgedCollection,
    compare,
    configurations,
    read_collection,
)
from rerank_plugins.evaluation.first_stage import Candidates, bm25_candidates, dense_candidates
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.evaluation.scorers import TextEncoder
from rerank_plugins.ranking.fusion import position_bonus

Found = Mapping[str, float]
"""Passage id to a retriever's score, best first."""

Join = Callable[[Sequence[Found]], list[str]]
"""Passage ids in the order that a joiner hands over."""

WEIGHT = CrossEncoderScorer("embedded").first_stage_weight


class FoundNodes(BaseRetriever):
    """Finds what it is made with; the id stands for the text."""

    def __init__(self, found: Found) -> None:
        super().__init__()
        self._found = found

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [
            NodeWithScore(node=TextNode(id_=name, text=name), score=score)
            for name, score in self._found.items()
        ]


class FoundPassages(LangChainRetriever):
    """The same for LangChain, whose retrievers hand over no scores."""

    names: list[str]

    def _get_relevant_documents(self, query: str, **_: object) -> list[Passage]:
        return [Passage(id=name, page_content=name) for name in self.names]


def main() -> None:
    """Prints one row per collection, the mean, and what the opinion behind each joiner changes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--bi-encoder", required=True)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--resume", type=Path, help="keeps scores, as `rerank eval` does")
    given = parser.parse_args()
    encoder = TextEncoder(given.bi_encoder)
    found = [read_collection(folder).sample(given.sample, seed=0) for folder in given.collections]
    with (
        loaded_scorers(configurations(["embedded"]), None, None) as scorers,
        scorers.asking(given.resume) as ask,
    ):
        score = partial(compare, scorers=scorers.functions, ask=ask)
        show_rankings((each.name, _values(each, given.depth, encoder, score)) for each in found)
    say_how("benchmarks.joiners")


def _values(
    collection: JudgedCollection,
    depth: int,
    encoder: TextEncoder,
    score: Callable[[JudgedCollection, Candidates], Comparison],
) -> Values:
    """The measure of the model alone, and of the model with the opinion behind each joiner."""
    keywords = bm25_candidates(collection, depth)
    vectors = dense_candidates(collection, encoder.passages, depth, query_encoder=encoder.queries)
    both = {query: {**keywords[query], **vectors[query]} for query in collection.queries}
    (model,) = score(collection, both).reranked
    runs: dict[str, Mapping[str, Found]] = {"the model alone": model.run}
    for name, join in JOINS.items():
        runs[name] = {
            query: _fused(join([keywords[query], vectors[query]]), scores)
            for query, scores in model.run.items()
        }
    judged = {query: collection.judgements[query] for query in collection.queries}
    return {name: measure(judged, run, [MEASURE])[MEASURE] for name, run in runs.items()}


def _fused(names: Sequence[str], scores: Found) -> dict[str, float]:
    """The logits with the bonus that `first_stage_weight="auto"` makes of the order."""
    bonus = WEIGHT * position_bonus(len(names))
    return {name: scores[name] + bonus[at] for at, name in enumerate(names)}


def _haystack(mode: JoinMode, lists: Sequence[Found]) -> list[str]:
    found = [
        [Document(id=name, content=name, score=score) for name, score in each.items()]
        for each in lists
    ]
    return [each.id for each in DocumentJoiner(join_mode=mode).run(found)["documents"]]


def _llama_index(mode: FUSION_MODES, lists: Sequence[Found]) -> list[str]:
    retriever = QueryFusionRetriever(
        [FoundNodes(each) for each in lists],
        mode=mode,
        num_queries=1,
        similarity_top_k=sum(map(len, lists)),
        llm=MockLLM(),
        use_async=False,
    )
    return [each.node_id for each in retriever.retrieve("as found")]


def _langchain(kind: type[Any], lists: Sequence[Found]) -> list[str]:
    retriever = kind(retrievers=[FoundPassages(names=list(each)) for each in lists])
    return list(dict.fromkeys(each.page_content for each in retriever.invoke("as found")))


JOINS: dict[str, Join] = {
    **{f"DocumentJoiner, {mode.value}": partial(_haystack, mode) for mode in JoinMode},
    **{f"QueryFusionRetriever, {mode.value}": partial(_llama_index, mode) for mode in FUSION_MODES},
    "EnsembleRetriever": partial(_langchain, EnsembleRetriever),
    "MergerRetriever": partial(_langchain, MergerRetriever),
}


if __name__ == "__main__":
    main()
