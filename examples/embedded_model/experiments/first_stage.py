"""What the first stage's opinion adds to the embedded model's logits, by form and weight.

python experiments/first_stage.py DATA RECIPE --resume FILE [--questions N] [--pool N]

DATA holds sources. If RECIPE trains on one, only its held-out questions are asked. FILE keeps the
scores. The table is for log.md.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from embedded_model.questions.judged import judged_source
from embedded_model.recipe.config import TrainingConfig
from embedded_model.recipe.folders import find_base
from rerank_plugins.cli.eval.scorers import Scorers, loaded_scorers
from rerank_plugins.evaluation import JudgedCollection, compare, configurations
from rerank_plugins.evaluation.first_stage import Candidates, bm25_candidates, fused_candidates
from rerank_plugins.evaluation.measures import change, deltas, measure
from rerank_plugins.evaluation.scorers import TextEncoder
from rerank_plugins.evaluation.timing import Ask
from rerank_plugins.ranking.fusion import position_bonus, score_bonus
from rerank_plugins.retrieval.bm25 import Bm25Search

WEIGHTS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
MODEL = "model alone"


def scored(
    collection: JudgedCollection, scorers: Scorers, ask: Ask
) -> tuple[dict[str, Candidates], Candidates]:
    """The best 100 passages of each query by four first stages, and the logits of them all."""
    (cosine, by_cosine), (model, by_model) = scorers.functions.items()
    pool = {name: dict.fromkeys(collection.passages, 0.0) for name in collection.queries}
    cosines = compare(collection, pool, {cosine: by_cosine}, ask=ask).reranked[0].run
    ids, search = list(collection.passages), Bm25Search(list(collection.passages.values()))
    unstemmed, dense = {}, {}
    for name, query in collection.queries.items():
        unstemmed[name] = {ids[hit.index]: hit.score for hit in search.search(query, 100)}
        dense[name] = dict(sorted(cosines[name].items(), key=lambda found: -found[1])[:100])
    stemmed = bm25_candidates(collection)
    both = fused_candidates([stemmed, dense])
    stages = {"BM25": stemmed, "BM25 unstemmed": unstemmed, "cosine": dense, "both": both}
    union: Candidates = {name: {} for name in collection.queries}
    for name, candidates in union.items():
        for stage in stages.values():
            candidates.update(dict.fromkeys(stage[name], 0.0))
    return stages, compare(collection, union, {model: by_model}, ask=ask).reranked[0].run


def orders(
    logits: NDArray[np.float64], scores: NDArray[np.float64]
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Each way to order candidates that are given best first, with its scores."""
    rank = np.arange(1.0, len(logits) + 1)
    model_rank = 1 + np.argsort(np.argsort(-logits, kind="stable"))
    yield "first stage", -rank
    yield MODEL, logits
    yield "reciprocal ranks", 1 / (60 + rank) + 1 / (60 + model_rank)
    for name, bonus in {
        "position": position_bonus(len(rank)),
        "position from 0": score_bonus(-np.log(rank), len(rank), higher_is_better=True),
        "score": score_bonus(scores, len(rank), higher_is_better=True),
        "score in deviations": (scores - scores.mean()) / (scores.std() or 1),
    }.items():
        for weight in WEIGHTS:
            yield f"{name} x {weight:g}", logits + weight * bonus


def values(
    collection: JudgedCollection, found: Candidates, logits: Candidates
) -> dict[str, dict[str, float]]:
    """nDCG@10 x 100 by the way to order what a first stage found, and by collection and query."""
    runs: dict[str, Candidates] = {}
    for query, candidates in found.items():
        ids, scores = list(candidates), np.array(list(candidates.values()))
        for way, order in orders(np.array([logits[query][name] for name in ids]), scores):
            best = np.argsort(-order, kind="stable")[:10]
            runs.setdefault(way, {})[query] = {ids[place]: float(order[place]) for place in best}
    return {
        way: {
            f"{collection.name} {query}": 100 * value
            for query, value in measure(collection.judgements, run, ["nDCG@10"])["nDCG@10"].items()
        }
        for way, run in runs.items()
    }


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    """Rows of first stage -> way -> values: means, p against the model, what the way harms most."""
    yield f"| nDCG@10 x 100 | {' | '.join(f'{stage} | p | worst' for stage in found)} | mean |"
    yield f"|---|{'---:|---:|---|' * len(found)}---:|"
    for way in found["BM25"]:
        cells, means = [], []
        for ways in found.values():
            moved = defaultdict(list)
            for name, delta in deltas(ways[MODEL], ways[way]).items():
                moved[name.partition(" ")[0]].append(delta)
            least, source = min((fmean(each), source) for source, each in moved.items())
            means.append(fmean(ways[way].values()))
            p_value = change(ways[MODEL], ways[way]).p_value
            cells.append(f"{means[-1]:.1f} | {p_value:.3f} | {least:+.1f} {source}")
        yield f"| {way} | {' | '.join(cells)} | {fmean(means):.2f} |"


def main() -> None:
    """Prints the table of all sources."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("recipe", type=TrainingConfig.from_toml)
    parser.add_argument("--resume", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=50, help="per source")
    parser.add_argument("--pool", type=int, default=1500, help="passages per source")
    given = parser.parse_args()
    asked = configurations(["embedded"], backends=["openvino"], precisions=["auto"])
    encoder = TextEncoder(str(find_base(given.recipe.base)))
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    with (
        loaded_scorers(asked, "all-MiniLM", encoder) as scorers,
        scorers.asking(given.resume) as ask,
    ):
        for name in sorted(path.name for path in given.data.iterdir()):
            collection = judged_source(
                given.data, name, given.recipe, questions=given.questions, pool=given.pool
            )
            stages, logits = scored(collection, scorers, ask)
            for stage, candidates in stages.items():
                for way, each in values(collection, candidates, logits).items():
                    found[stage][way].update(each)
    sys.stdout.write("\n".join(table(found)) + "\n")


if __name__ == "__main__":
    main()
