"""The benchmark of one's own calibration: on scores that are drawn, so that the truth is known."""

import numpy as np
import pytest

from benchmarks.halves import SIGMOID, other_halves, row
from rerank_plugins.calibration.curves import Platt
from rerank_plugins.evaluation.calibration.labels import Labels

TRUTH = Platt(1.0, -2.0)


def drawn(seed: int) -> Labels:
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=2.0, size=4000)
    relevant = rng.random(4000) < TRUTH(scores)
    return Labels(scores, relevant, relevant, np.arange(4000) // 40, 100, [(0, "", "")] * 4000)


def test_half_of_the_queries_teach_what_the_scores_of_the_others_mean() -> None:
    labels = drawn(0)
    halves = list(other_halves(labels, TRUTH, 4))
    assert {len(np.unique(half.labels.query)) for half in halves} == {50}
    for half in halves:
        sigmoid, shipped, own = half.probabilities
        assert sigmoid == pytest.approx(SIGMOID(half.labels.scores))
        assert np.abs(own - shipped).mean() < 0.05 < np.abs(sigmoid - shipped).mean()
    cells = row("made", [[half] for half in halves]).strip("| ").split(" | ")
    assert cells[:2] == ["made", "100"]
    errors, briers = np.array(cells[3:], dtype=float).reshape(2, 3)
    assert errors[2] < errors[0] / 2
    assert briers[2] < briers[0]


def test_collections_are_measured_together() -> None:
    halves = [list(other_halves(drawn(seed), TRUTH, 2)) for seed in (1, 2)]
    name, queries, *_ = row("both", list(zip(*halves, strict=True))).strip("| ").split(" | ")
    assert (name, queries) == ("both", "200")
