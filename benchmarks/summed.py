"""What a bi-encoder's cosine adds to a cross-encoder: ranks by each, and by logit + w x cosine.

python -m benchmarks.summed COLLECTION... --bi-encoder MODEL [--model MODEL] [--weight W]...
    [--sample N] [--depth N] [--resume FILE]

A cosine lies between -1 and 1, and the embedded model's logits have a standard deviation of about
3, so useful weights are about 5 to 40.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.ranking import MEASURE, Values, say_how, show_rankings
from rerank_plugins.cli.eval.scorers import loaded_scorers
from rerank_plugins.evaluation import ScoreFunction, compare, configurations, read_collection
from rerank_plugins.evaluation.first_stage import bm25_candidates
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.evaluation.scorers import TextEncoder
from rerank_plugins.evaluation.timing import Ask


def main() -> None:
    """Prints one row per collection, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--bi-encoder", required=True)
    parser.add_argument("--weight", type=float, action="append", help="20 unless given")
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--resume", type=Path, help="keeps scores, as `rerank eval` does")
    given = parser.parse_args()
    asked = configurations([given.model])
    encoder = TextEncoder(given.bi_encoder)
    with (
        loaded_scorers(asked, given.bi_encoder, encoder) as scorers,
        scorers.asking(given.resume) as ask,
    ):
        show_rankings(
            rankings(
                given.collections,
                scorers.functions,
                given.weight or [20.0],
                sample=given.sample,
                depth=given.depth,
                ask=ask,
            )
        )
    say_how("benchmarks.summed")


def rankings(
    folders: Sequence[Path],
    scorers: Mapping[str, ScoreFunction],
    weights: Sequence[float],
    *,
    sample: int,
    depth: int,
    ask: Ask,
) -> Iterator[tuple[str, Values]]:
    """Yields the values of both scorers and of their weighted sums, by collection."""
    for folder in folders:
        collection = read_collection(folder).sample(sample, seed=0)
        found = compare(
            collection, bm25_candidates(collection, depth), scorers, depth=depth, ask=ask
        )
        cosine, logit = found.reranked
        values = {order.name: order.values[MEASURE] for order in (logit, cosine)}
        judged = {name: collection.judgements[name] for name in collection.queries}
        for weight in weights:
            run = {
                query: {
                    passage: score + weight * cosine.run[query][passage]
                    for passage, score in scores.items()
                }
                for query, scores in logit.run.items()
            }
            values[f"+ {weight:g} x cosine"] = measure(judged, run, [MEASURE])[MEASURE]
        yield collection.name, values


if __name__ == "__main__":
    main()
