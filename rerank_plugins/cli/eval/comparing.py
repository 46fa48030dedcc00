"""Judged collections and a first stage in; the candidates with the scores of all scorers out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rerank_plugins.cli.errors import show
from rerank_plugins.cli.eval.candidates import Stage
from rerank_plugins.cli.eval.inputs import Source
from rerank_plugins.cli.eval.options import FirstStage
from rerank_plugins.cli.eval.scorers import Scorers
from rerank_plugins.cli.progress import progress

if TYPE_CHECKING:
    from rerank_plugins.evaluation import Comparison, JudgedCollection
    from rerank_plugins.evaluation.timing import Ask


def collection_of(
    source: Source, sample: int | None, seed: int, *, keep_identical: bool = False
) -> "JudgedCollection":
    """Reads a collection, of which some queries may be drawn, and warns of ids that match none."""
    from rerank_plugins.evaluation import unmatched_ids

    collection = source.read()
    if source.dataset_id is None:  # ids in the catalogue match, and its texts stay on disk
        for sentence in unmatched_ids(collection):
            show("warning", sentence)
    drawn = collection if sample is None else collection.sample(sample, seed)
    return replace(drawn, keep_identical=keep_identical)


def compared(
    source: Source,
    collection: "JudgedCollection",
    stage: Stage,
    scorers: Scorers,
    ask: "Ask",
    measures: Sequence[str],
) -> "Comparison":
    """The candidates of a collection's queries, in the order of the first stage and of each scorer.

    Args:
        source: Where the collection is from; it may bring candidates.
        collection: The collection.
        stage: Finds the candidates.
        scorers: The scorers.
        ask: Asks them.
        measures: What is measured of each order.
    """
    from rerank_plugins.evaluation import compare

    name, candidates = stage.candidates(source, collection)
    depth = stage.depth
    if stage.kind is FirstStage.judged:
        depth = max(map(len, candidates.values()))
    steps = len(scorers.functions) * len(collection.queries)
    with progress(steps, "query", collection.name) as advance:
        return compare(
            collection,
            candidates,
            scorers.functions,
            depth=depth,
            first_stage=name,
            measures=measures,
            ask=ask,
            on_query=lambda: advance(1),
        )
