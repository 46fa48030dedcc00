"""What a cascade costs and gives: a large model alone, behind a small one, and on a shorter list.

python -m benchmarks.cascade COLLECTION... --bi-encoder MODEL [--weight W] [--keep K]...
    [--sample N] [--resume FILE]
python -m benchmarks.cascade COLLECTION... --bi-encoder MODEL [--keep K]... --timed N

The large model is a scorer of one's own: the embedded model's logit plus W times a bi-encoder's
cosine, with every passage encoded each time it is asked for. Quality comes from scores that are
kept. With `--timed` times are measured instead, of N queries of each collection, all ways in turns.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.ranking import MEASURE, Values, say, say_how, show_rankings
from rerank_plugins import CrossEncoderScorer, Reranker, Scorer
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.cli.eval.scorers import loaded_scorers
from rerank_plugins.evaluation import (
    Comparison,
    JudgedCollection,
    compare,
    configurations,
    read_collection,
)
from rerank_plugins.evaluation.first_stage import Candidates, bm25_candidates
from rerank_plugins.evaluation.measures import measure
from rerank_plugins.evaluation.scorers import TextEncoder
from rerank_plugins.options import Precision
from rerank_plugins.retrieval.bi_encoder import load_bi_encoder

PRECISION: Precision = "bf16" if cpu_has_bf16() else "fp32"
"""Of the small model, and of the large one where times are measured."""

Pairs = Sequence[tuple[str, str]]
Way = Callable[[Scorer, Scorer], Reranker]
"""Makes a reranker of the small and the large scorer."""


def main() -> None:
    """Prints one row per collection and the mean, or the times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--bi-encoder", required=True)
    parser.add_argument("--weight", type=float, default=50.0)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--timed", type=int, help="measure times, of so many queries of each")
    parser.add_argument("--keep", type=int, action="append", help="10, 20, 30 and 40 unless given")
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--resume", type=Path, help="keeps scores, as `rerank eval` does")
    given = parser.parse_args()
    ways = _ways(given.keep or [10, 20, 30, 40])
    count = given.timed or given.sample
    found = [read_collection(folder).sample(count, seed=0) for folder in given.collections]
    candidates = {each.name: bm25_candidates(each, given.depth) for each in found}
    if given.timed:
        questions = [
            (each.queries[query], [each.passages[name] for name in names])
            for each in found
            for query, names in candidates[each.name].items()
        ]
        _show_times(ways, questions, given.bi_encoder, given.weight)
    else:
        _show_quality(ways, found, candidates, given)
    say_how("benchmarks.cascade")


def _show_quality(
    ways: Mapping[str, Way],
    found: Sequence[JudgedCollection],
    candidates: Mapping[str, Candidates],
    given: argparse.Namespace,
) -> None:
    encoder = TextEncoder(given.bi_encoder)
    asked = configurations(["embedded"], backends=["openvino"], precisions=[PRECISION])
    with (
        loaded_scorers(asked, given.bi_encoder, encoder) as scorers,
        scorers.asking(given.resume) as ask,
    ):
        show_rankings(
            (
                each.name,
                _values(
                    compare(each, candidates[each.name], scorers.functions, ask=ask),
                    ways,
                    given.weight,
                ),
            )
            for each in found
        )


def _ways(keeps: Sequence[int]) -> dict[str, Way]:
    def behind(keep: int) -> Way:
        return lambda small, large: Reranker(large, cascade=[{"scorer": small, "keep": keep}])

    return {
        "large": lambda _, large: Reranker(large),
        "small": lambda small, _: Reranker(small),
        **{f"small, then large on {keep}": behind(keep) for keep in keeps},
    }


def _values(comparison: Comparison, ways: Mapping[str, Way], weight: float) -> Values:
    """The measure of each way, and of the large model on the first stage's first half."""
    cosine, logit = comparison.reranked
    collection = comparison.collection
    small: dict[tuple[str, str], float] = {}
    large: dict[tuple[str, str], float] = {}
    for query, names in logit.run.items():
        for name, score in names.items():
            pair = collection.queries[query], collection.passages[name]
            small[pair] = score
            large[pair] = score + weight * cosine.run[query][name]
    runs = {
        name: dict(_runs(way(_looked_up(small), _looked_up(large)), logit.run, collection))
        for name, way in ways.items()
    }
    for depth in (20, 50):
        cut = {query: dict(list(names.items())[:depth]) for query, names in logit.run.items()}
        runs[f"large on the first {depth}"] = dict(
            _runs(Reranker(_looked_up(large)), cut, collection)
        )
    judged = {name: collection.judgements[name] for name in collection.queries}
    return {name: measure(judged, run, [MEASURE])[MEASURE] for name, run in runs.items()}


def _looked_up(table: Mapping[tuple[str, str], float]) -> Scorer:
    return Scorer.from_function(lambda pairs: [table[pair] for pair in pairs], name="kept scores")


def _runs(
    reranker: Reranker, candidates: Mapping[str, Mapping[str, float]], collection: JudgedCollection
) -> Iterator[tuple[str, dict[str, float]]]:
    with reranker.scorer:
        for query, found in candidates.items():
            names = list(found)
            texts = [collection.passages[name] for name in names]
            ranking = reranker.rank(collection.queries[query], texts, scale="logit")
            yield query, {names[ranked.index]: ranked.score for ranked in ranking}


def _show_times(
    ways: Mapping[str, Way],
    questions: Sequence[tuple[str, list[str]]],
    bi_encoder: str,
    weight: float,
) -> None:
    """Prints the seconds of each way, all ways in turns on each question."""
    with (
        CrossEncoderScorer("embedded", backend="openvino", precision=PRECISION) as small,
        Scorer.from_function(_sum(small, bi_encoder, weight), name="large") as large,
    ):
        rerankers = [(name, way(small, large)) for name, way in ways.items()]
        query, passages = questions[0]
        for _, reranker in rerankers:
            reranker.rank(query, passages[:8])
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for query, passages in questions:
            for name, reranker in rerankers:
                start = time.perf_counter()
                reranker.rank(query, passages)
                seconds[name].append(time.perf_counter() - start)
            rerankers.append(rerankers.pop(0))
    say(f"| {len(questions)} queries, {PRECISION} | median s | share of large |")
    say("|---|---:|---:|")
    whole = np.array(seconds["large"])
    for name, each in seconds.items():
        share = np.median(np.array(each) / whole)
        say(f"| {name} | {np.median(each):.2f} | {share:.2f} |")


def _sum(small: Scorer, bi_encoder: str, weight: float) -> Callable[[Pairs], list[float]]:
    encoder = load_bi_encoder(bi_encoder, device="cpu", local_files_only=True)
    if PRECISION == "bf16":
        encoder.bfloat16()

    def score(pairs: Pairs) -> list[float]:
        passages = [passage for _, passage in pairs]
        vectors = encoder.encode_document(
            passages, normalize_embeddings=True, show_progress_bar=False
        )
        query = encoder.encode_query(pairs[0][0], normalize_embeddings=True)
        total: list[float] = (small.score_pairs(pairs) + weight * (vectors @ query)).tolist()
        return total

    return score


if __name__ == "__main__":
    main()
