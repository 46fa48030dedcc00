"""Fits what the embedded model's scores mean, on collections that it is not measured on.

python experiments/calibration.py DATA RECIPE [--later RECIPE] --resume FILE
    --output rerank_calibration.json

DATA holds sources. If RECIPE trains on one, only its held-out questions are asked, and none about
passages that the later recipe, which trained its model further, drew. FILE keeps the scores.
Passages that the bi-encoder likes about as much as the labelled one are left out: nobody judged
them, and the recipe does not hold the label against them either.
"""

import argparse
import sys
from collections.abc import Set
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from embedded_model.questions.judged import judged_source
from embedded_model.questions.loading import drawn_queries
from embedded_model.recipe.config import TrainingConfig
from embedded_model.recipe.folders import find_base
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.calibration.file import Calibration, write_calibration
from rerank_plugins.cli.eval.scorers import Scorers, loaded_scorers
from rerank_plugins.evaluation import Comparison, bm25_candidates, compare, configurations
from rerank_plugins.evaluation.calibration.labels import Labels, labels_of
from rerank_plugins.evaluation.calibration.report import CalibrationReport, calibrate_labels
from rerank_plugins.evaluation.scorers import TextEncoder
from rerank_plugins.evaluation.timing import Ask
from rerank_plugins.scoring.identity import Identity

DEPTH = 30
WEIGHTS = (0.0, 1.0)
READINGS: tuple[Literal["windows", "truncate"], ...] = ("windows", "truncate")
PRECISIONS = ("fp32", "bf16")
"""Their logits differ by less than the curve can tell, so both have the same one."""

HELD_OUT, OTHERS = 6, 15
"""Questions of a source that the recipe trains on, and of another."""


def compared(
    data: Path, recipe: TrainingConfig, drawn: Set[str], scorers: Scorers, ask: Ask
) -> list[Comparison]:
    """The candidates of each source with the model's scores."""
    trained = {source for view in recipe.views for source in view.sources}
    found = []
    for name in sorted(path.name for path in data.iterdir()):
        questions = HELD_OUT if name in trained else OTHERS
        collection = judged_source(data, name, recipe, drawn, questions=questions, pool=1500)
        candidates = bm25_candidates(collection, DEPTH)
        found.append(compare(collection, candidates, scorers.functions, depth=DEPTH, ask=ask))
    return found


def doubtful(
    labels: Labels, comparisons: list[Comparison], encoder: TextEncoder, margin: float
) -> NDArray[np.bool_]:
    """Whether the bi-encoder likes an unjudged candidate about as much as the best relevant one."""
    cosines = np.empty(len(labels.scores))
    for query in range(labels.asked):
        places = np.flatnonzero(labels.query == query)
        if len(places):
            number, query_id, _ = labels.passages[places[0]]
            collection = comparisons[number].collection
            texts = [collection.passages[labels.passages[at][2]] for at in places.tolist()]
            vector = encoder.queries([collection.queries[query_id]])[0]
            cosines[places] = encoder.passages(texts) @ vector
    liked = replace(labels, scores=cosines).best(labels.relevant)[labels.query]
    return ~labels.judged & np.isfinite(liked) & (cosines > liked - margin)


def fits(
    comparisons: list[Comparison], name: str, encoder: TextEncoder, margin: float
) -> list[CalibrationReport]:
    """A report for each weight of the first stage."""
    found = []
    for weight in WEIGHTS:
        labels = labels_of(comparisons, name, weight=weight)
        clear = labels.only(~doubtful(labels, comparisons, encoder, margin))
        found.append(calibrate_labels(clear, comparisons, name, weight=weight))
    return found


def main() -> None:
    """Writes the file, and prints what was fitted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("recipe", type=TrainingConfig.from_toml)
    parser.add_argument("--later", type=TrainingConfig.from_toml)
    parser.add_argument("--resume", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    encoder = TextEncoder(str(find_base(given.recipe.base)))
    drawn = drawn_queries(given.later, given.data) if given.later else frozenset()
    for reading in READINGS:
        how: dict[str, Any] = {"backends": ["openvino"], "precisions": ["auto"]}
        asked = configurations(["embedded"], **how, long_passages=reading)
        with loaded_scorers(asked, None, None) as scorers, scorers.asking(given.resume) as ask:
            comparisons = compared(given.data, given.recipe, drawn, scorers, ask)
        (name,) = asked
        with CrossEncoderScorer("embedded", long_passages=reading) as scorer:
            own = scorer.identity
        assert own is not None
        for report in fits(comparisons, name, encoder, given.recipe.mining.margin):
            curve, facts = report.fitted.curve, report.facts()
            for precision in PRECISIONS:
                identity = Identity(own.model, precision, own.reading)
                fitted = Calibration("embedded", identity, report.weight, curve, facts)
                write_calibration(given.output, fitted)
            sys.stdout.write(f"{reading} {report.weight:g} {curve} {facts}\n")


if __name__ == "__main__":
    main()
