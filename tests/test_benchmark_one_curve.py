"""The bound on one curve for several collections, on scores whose truth is known."""

import numpy as np

from benchmarks.halves import SIGMOID
from benchmarks.one_curve import best_never_falling, by, error, rows, worse
from rerank_plugins.calibration.curves import Platt
from rerank_plugins.evaluation.calibration.labels import Labels


def drawn(seed: int, truth: Platt) -> Labels:
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(scale=2.0, size=2000), 2)
    relevant = rng.random(2000) < truth(scores)
    return Labels(scores, relevant, relevant, np.arange(2000) // 40, 50, [(0, "", "")] * 2000)


def test_alike_collections_are_served_by_one_curve() -> None:
    sets = {str(seed): drawn(seed, Platt(1.0, -2.0)) for seed in range(3)}
    found = best_never_falling(sets, rounds=50)
    assert worse(found, sets) == []
    assert error(found, sets)[0] < error(by(SIGMOID, sets), sets)[0] / 4


def test_opposite_collections_are_not() -> None:
    # What is far too high for one is too low for the other: only near the sigmoid is neither worse.
    sets = {"few": drawn(0, Platt(1.0, -1.5)), "many": drawn(1, Platt(1.0, 0.5))}
    table = [row.strip("| ").split(" | ") for row in rows(sets)]
    named = {cells[0]: cells[1:] for cells in table}
    assert named["isotonic, fitted on all"][-1] == "many"
    assert float(named["isotonic, fitted on all"][0]) < 0.5
    bound = named["never falling, no collection worse"]
    assert len(bound) == 2  # none is worse
    sigmoid, whole = named["sigmoid"], named["isotonic, fitted on all"]
    assert float(whole[1]) < float(bound[1]) < float(sigmoid[1])
