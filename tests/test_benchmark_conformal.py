"""The benchmark of the threshold's promise: its arithmetic, on scores that are drawn."""

import numpy as np
import pytest

from benchmarks import conformal
from rerank_plugins.evaluation.calibration.labels import Labels


def test_random_splits_keep_the_promise_of_a_threshold_and_spread_as_beta_says() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=600)
    relevant = np.arange(600) % 2 == 0
    query = np.arange(600) // 2
    relevant[query >= 250] = False  # nothing relevant is found for these
    labels = Labels(scores, relevant, relevant, query, 300, [(0, "", "")] * 600)
    answered = conformal.answerable(labels)
    assert answered.asked == 250
    assert answered.best(answered.relevant) == pytest.approx(scores[:500:2])
    cells = [row.split(" | ") for row in conformal.rows("made", answered, [50, 240], 200)]
    assert [row[:3] for row in cells] == [["| made", "50", "200"]]
    assert cells[0][5] == "yes"
    assert float(cells[0][6]) == pytest.approx(float(cells[0][7].strip("| ")), rel=0.2)
