"""Adapts the embedded model to one domain, and looks for a loss in another.

    python examples/adapt_to_a_domain.py my-pairs.jsonl other-collection... --output adapted

`my-pairs.jsonl` has a {"query": "...", "positive": "..."} a line; a folder with pairs.jsonl or in
BEIR's layout is fine too. `other-collection` is a folder in BEIR's layout from another domain, one
or more.
Needs: pip install "rerank-plugins[train]"
"""

import argparse
from pathlib import Path

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.evaluation import (
    bm25_candidates,
    change,
    compare,
    read_collection,
)
from rerank_plugins.fine_tuning import FineTuningOptions, fine_tune

MEASURE = "nDCG@10"
DEPTH = 20
OTHER_QUERIES = 40


def show(name: str, questions: int, before: float, after: float, p_value: float) -> None:
    print(f"{name:<24} {questions:>9} {100 * before:>8.1f} {100 * after:>7.1f} {p_value:>8.4f}")


def measure_elsewhere(collection: Path, start: str, adapted: Path) -> None:
    """The same two models on queries that have nothing to do with the training."""
    other = read_collection(collection).sample(OTHER_QUERIES, seed=0)
    with CrossEncoderScorer(start) as old, CrossEncoderScorer(adapted) as new:
        comparison = compare(
            other,
            bm25_candidates(other, DEPTH),
            {"before": old, "after": new},
            depth=DEPTH,
        )
    before, after = comparison.reranked
    moved = change(before.values[MEASURE], after.values[MEASURE])
    means = before.mean(MEASURE), after.mean(MEASURE)
    show(other.name, len(other.queries), *means, moved.p_value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, help="what to adapt to")
    parser.add_argument("other", type=Path, nargs="+", help="collections from other domains")
    parser.add_argument("--output", type=Path, required=True, help="folder for the run")
    parser.add_argument("--model", default="embedded", help="what to start from")
    parser.add_argument("--questions", type=int, default=240, help="how many to use")
    parser.add_argument("--epochs", type=float, default=1, help="how often each is seen")
    parser.add_argument("--max-length", type=int, default=128, help="tokens of a pair in training")
    parser.add_argument("--start-share", type=float, default=0, help="of the start's weights")
    arguments = parser.parse_args()
    options = FineTuningOptions(
        model=arguments.model,
        questions=arguments.questions,
        max_length=arguments.max_length,
        epochs=arguments.epochs,
        learning_rate=1e-4,
        development=0.05,
        looks=1,
        start_share=arguments.start_share,
        depth=DEPTH,
    )
    result = fine_tune(arguments.pairs, arguments.output, options, progress=True)
    print(
        f"{result.sizes.train} questions, {result.training.steps} steps, "
        f"{result.training.seconds / 60:.1f} minutes"
    )
    print(f"{MEASURE + ' x 100':<24} questions   before   after        p")
    if result.held_out is not None:
        moved = result.held_out
        show(
            f"{arguments.pairs.stem}, held out",
            moved.questions,
            moved.before,
            moved.after,
            moved.change.p_value,
        )
    for other in arguments.other:
        measure_elsewhere(other, arguments.model, result.model)


if __name__ == "__main__":
    main()
