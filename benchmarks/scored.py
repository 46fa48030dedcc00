"""Judged collections with the embedded model's scores of what BM25 finds."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rerank_plugins.cli.eval.scorers import loaded_scorers
from rerank_plugins.evaluation import (
    Comparison,
    bm25_candidates,
    compare,
    configurations,
    read_collection,
)
from rerank_plugins.scorer import Scorer


def scored_collections(
    folders: Sequence[Path], *, depth: int, sample: int | None, seed: int, resume: Path | None
) -> Iterator[tuple[Comparison, str, Scorer]]:
    """Yields each collection compared, the model's name in it, and its scorer.

    The scorer is in bf16 where the processor has it.

    Args:
        folders: The collections.
        depth: Candidates per query.
        sample: Queries per collection; `None` takes all.
        seed: Which ones.
        resume: Keeps the scores.
    """
    asked = configurations(["embedded"], backends=["openvino"], precisions=["auto"])
    (model,) = asked
    with loaded_scorers(asked, None, None) as scorers, scorers.asking(resume) as ask:
        for folder in folders:
            collection = read_collection(folder)
            if sample is not None:
                collection = collection.sample(sample, seed)
            found = bm25_candidates(collection, depth)
            comparison = compare(collection, found, scorers.functions, depth=depth, ask=ask)
            yield comparison, model, scorers.rerankers[model].scorer
