"""The simulation of the interval of the calibration error."""

import pytest

from benchmarks.intervals import KINDS, coverage, true_error


def test_the_true_error_has_no_chance_in_it() -> None:
    assert true_error(KINDS["p"], draws=10_000) == 0
    half_of_the_mean = 0.5 * 0.5 / 8.5
    assert true_error(KINDS["0.5 p"], draws=10_000) == pytest.approx(half_of_the_mean, rel=0.1)


def test_coverage_counts_the_intervals_that_hold_the_true_error() -> None:
    assert coverage(KINDS["p"], 0.0, queries=10, simulations=3) == 1
    assert coverage(KINDS["p"], 0.9, queries=10, simulations=3) == 0
