"""Fitting what scores mean, and measuring how far off that is."""

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from rerank_plugins import Identity, InvalidInputError
from rerank_plugins.calibration.curves import Isotonic, Platt
from rerank_plugins.calibration.file import read_calibrations, write_calibration
from rerank_plugins.evaluation import (
    CalibrationReport,
    JudgedCollection,
    calibrate,
    calibration_page,
    calibration_values,
    compare,
    current_environment,
)
from rerank_plugins.evaluation.calibration.fitting import fit_isotonic, fit_platt, fitted
from rerank_plugins.evaluation.calibration.labels import Labels
from rerank_plugins.evaluation.calibration.reliability import brier, reliability
from rerank_plugins.evaluation.calibration.thresholds import conformal, fewest_queries, kept_by
from rerank_plugins.evaluation.calibration.words import headline, reasons
from rerank_plugins.evaluation.comparison import Comparison


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def made(
    queries: int, slope: float, intercept: float, *, each: int = 20, bend: float = 0.0
) -> Labels:
    """Candidates whose labels are drawn with the probability that a known curve gives."""
    rng = np.random.default_rng(1)
    scores = rng.normal(0, 3, queries * 20)
    odds = slope * scores + intercept
    chance = sigmoid(np.where(scores > 0, bend or odds, odds))
    relevant = rng.random(len(scores)) < chance
    query = np.repeat(np.arange(queries), 20)
    names = [(0, str(number), str(place)) for place, number in enumerate(query.tolist())]
    return Labels(scores, relevant, np.ones(len(scores), bool), query, queries, names)


def test_platt_finds_the_curve_that_the_labels_were_drawn_by() -> None:
    curve = fit_platt(made(400, 0.8, -2.0))
    assert (curve.slope, curve.intercept) == pytest.approx((0.8, -2.0), abs=0.1)


def test_a_clean_separation_of_few_labels_gives_no_infinite_slope() -> None:
    scores = np.concatenate([np.full(12, -1.0), np.full(12, 1.0)])
    labels = Labels(
        scores, scores > 0, np.ones(24, bool), np.arange(24) % 12, 12, [(0, "", "")] * 24
    )
    assert fit_platt(labels)(np.array([1.0]))[0] == pytest.approx(13 / 14, abs=1e-3)


def test_isotonic_never_falls_and_is_never_quite_sure() -> None:
    curve = fit_isotonic(made(200, 2.0, -2.0))
    assert list(curve.scores) == sorted(set(curve.scores))
    assert list(curve.probabilities) == sorted(curve.probabilities)
    assert curve.probabilities[0] > 0
    assert curve.probabilities[-1] < 1


def test_the_kind_of_curve_is_chosen_by_the_error_on_other_queries() -> None:
    few = fitted(made(40, 0.8, -4.0))
    assert set(few.errors) == {"platt"}
    assert few.kind == "platt"
    straight = fitted(made(100, 0.8, -2.0))
    assert straight.errors["platt"] < straight.errors["isotonic"]
    assert straight.kind == "platt"
    bent = fitted(made(400, 1.5, -1.0, bend=-1.0))
    assert isinstance(bent.curve, Isotonic)
    assert bent.errors["isotonic"] < bent.errors["platt"]


def test_no_query_has_a_part_in_the_curve_that_it_is_measured_with() -> None:
    labels = made(40, 0.8, -5.0)
    before = fitted(labels).probabilities
    turned = labels.query == 7
    other = Labels(
        labels.scores,
        np.where(turned, ~labels.relevant, labels.relevant),
        labels.judged,
        labels.query,
        labels.asked,
        labels.passages,
    )
    after = fitted(other).probabilities
    assert after[turned] == pytest.approx(before[turned])
    assert (after != pytest.approx(before)) is True


@pytest.mark.parametrize(
    ("queries", "intercept", "says"),
    [
        (5, 0.0, "there are only 5 queries with a relevant candidate. Judge more questions"),
        (12, -9.0, "relevant candidates, "),
        (12, 30.0, "there are only 0 candidates that are not relevant"),
    ],
)
def test_too_few_labels_are_an_error_that_says_what_is_missing(
    queries: int, intercept: float, says: str
) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(says)):
        fitted(made(queries, 0.5, intercept))


def test_scores_that_fall_with_relevance_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="higher scores are not more often relevant here"):
        fitted(made(40, -0.5, -1.0))


def test_the_calibration_error_is_that_of_scikit_learns_bins() -> None:
    labels = made(200, 0.8, -2.0)
    said = sigmoid(labels.scores)
    found = reliability(said, labels.relevant, labels.query)
    happened, mean = calibration_curve(labels.relevant, said, n_bins=15, strategy="quantile")
    assert [each.happened for each in found.bins] == pytest.approx(happened.tolist(), abs=0.02)
    assert [each.said for each in found.bins] == pytest.approx(mean.tolist(), abs=0.02)
    assert found.error == pytest.approx(np.abs(happened - mean).mean(), abs=1e-3)
    assert found.brier == pytest.approx(brier_score_loss(labels.relevant, said))
    assert found.low < found.error < found.high


@pytest.mark.parametrize("factor", [1.0, 0.9, 0.5])
def test_the_interval_of_the_calibration_error_holds_the_true_one(factor: float) -> None:
    rng = np.random.default_rng(0)
    true = (1 - factor) * 0.5 / 8.5  # every gap has the same sign, so bins do not matter
    held = 0
    for _ in range(20):
        said = rng.beta(0.5, 8, size=1500)
        relevant = rng.random(1500) < factor * said
        found = reliability(said, relevant, np.arange(1500) // 50)
        assert found.low <= found.error <= found.high
        held += found.low <= true <= found.high
    assert held >= 17


def test_equal_probabilities_share_a_bin() -> None:
    relevant = np.arange(100) % 4 == 0
    found = reliability(np.full(100, 0.25), relevant, np.arange(100) // 10)
    assert [(each.said, each.happened, each.count) for each in found.bins] == [(0.25, 0.25, 100)]
    assert found.error == 0
    assert brier(np.full(100, 0.25), relevant) == pytest.approx(0.1875)


RISING = Platt(1.0, 0.0)


def small() -> Labels:
    """Ten queries: the best relevant score of query n is n, and another candidate has 4.5."""
    scores = np.concatenate([np.arange(10.0), np.full(10, 4.5)])
    relevant = np.arange(20) < 10
    query = np.tile(np.arange(10), 2)
    return Labels(scores, relevant, np.ones(20, bool), query, 10, [(0, "", "")] * 20)


def test_the_table_says_what_each_threshold_keeps() -> None:
    labels = small()
    (low, high, none) = kept_by(labels, labels.scores / 10, [0.45, 0.7, 0.95])
    assert (low.share, low.precision, low.recall, low.queries) == (0.75, 5 / 15, 0.5, 0.5)
    assert (high.share, high.precision, high.recall) == pytest.approx((0.15, 1.0, 0.3))
    assert (none.share, none.precision, none.recall) == (0.0, None, 0.0)


def test_the_conformal_threshold_is_a_low_one_of_the_best_relevant_scores() -> None:
    found = conformal(small(), RISING, 0.8)
    assert found is not None
    assert (found.score, found.queries) == (1.0, 10)  # the second of ten: floor(0.2 * 11)
    assert (found.low, found.high) == pytest.approx(tuple(beta.ppf([0.025, 0.975], 9, 2)))
    assert (found.hopeless, found.emptied) == (10, 0.0)
    assert found.is_clean is False
    clean = small()
    clean.scores[10:] = -9.0
    assert conformal(clean, RISING, 0.8).is_clean  # type: ignore[union-attr]


def test_what_shares_the_probability_of_the_threshold_is_kept_and_not_empty() -> None:
    labels = small()  # the threshold is at 1.0, and what is wrong everywhere gets 0.5
    labels.scores[10:] = 0.5
    steps = Isotonic((-1.0, 0.4, 1.5, 9.0), (0.1, 0.3, 0.3, 0.9))
    found = conformal(labels, steps, 0.8)
    assert found is not None
    assert (found.score, found.probability, found.emptied) == (1.0, 0.3, 0.0)
    assert conformal(labels, RISING, 0.8).emptied == 1.0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "wrods"}, "there is no scorer 'wrods' in the comparison, which has 'words'"),
        ({"wanted": 0.0}, "wanted must be a share of queries above 0 and below 1, but got 0.0"),
        ({"wanted": 90}, "but got 90"),
        ({"wanted": float("nan")}, "but got nan"),
        ({"wanted": "0.9"}, "but got '0.9'"),
        ({"weight": -1.0}, "weight must be a number >= 0, but got -1.0"),
        ({"weight": "auto"}, "weight must be a number >= 0, but got 'auto'"),
        ({"weight": float("inf")}, "but got inf"),
    ],
)
def test_what_calibrate_cannot_fit_with_is_refused(options: dict[str, Any], says: str) -> None:
    comparison = compared()
    given = {"name": comparison.reranked[0].name, **options}
    says = says.replace("'words'", repr(comparison.reranked[0].name))
    with pytest.raises(InvalidInputError, match=re.escape(says)):
        calibrate([comparison], **given)


def test_only_queries_with_a_wrong_candidate_can_come_back_empty() -> None:
    asked_more = replace(small(), asked=40)  # 30 queries have no candidates at all
    found = conformal(asked_more, RISING, 0.8)
    assert found is not None
    assert (found.hopeless, found.emptied) == (10, 0.0)
    nine = asked_more.only(np.arange(20) != 19)  # one query has only its relevant candidate
    nine.scores[10:] = -9.0
    found = conformal(nine, RISING, 0.8)
    assert found is not None
    assert (found.hopeless, found.emptied, found.is_clean) == (9, 1.0, None)
    none = conformal(asked_more.only(np.arange(20) < 10), RISING, 0.8)
    assert none is not None
    assert (none.hopeless, none.emptied, none.is_clean) == (0, 0.0, None)


def test_fewer_queries_than_a_promise_needs_give_no_threshold() -> None:
    assert fewest_queries(0.9) == 9
    assert fewest_queries(0.95) == 19
    labels = small()
    assert conformal(labels, RISING, 0.9) is not None
    assert conformal(labels, RISING, 0.95) is None


def test_new_queries_keep_a_relevant_passage_as_often_as_was_promised() -> None:
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(400):
        best = rng.normal(size=50)
        labels = Labels(
            best, np.ones(50, bool), np.ones(50, bool), np.arange(50), 50, [(0, "", "")] * 50
        )
        found = conformal(labels, RISING, 0.9)
        assert found is not None
        kept.append((rng.normal(size=500) >= found.score).mean())
    spread = beta(51 - 5, 5)
    assert np.mean(kept) == pytest.approx(spread.mean(), abs=3 * spread.std() / 20)
    assert np.std(kept) == pytest.approx(math.hypot(spread.std(), 0.013), rel=0.15)


def compared(queries: int = 60, *, negatives: int = 0) -> Comparison:
    """A first stage with ten candidates per query; a model that finds the answer mostly."""
    rng = np.random.default_rng(3)
    passages = {f"p{n}-{at}": f"{n} {at}" for n in range(queries) for at in range(10)}
    answer = rng.integers(10, size=queries)
    logits = {
        text: rng.normal(2.0 if answer[int(text.split()[0])] == int(text.split()[1]) else -1.0)
        for text in passages.values()
    }
    judgements = {f"q{n}": {f"p{n}-{answer[n]}": 1} for n in range(queries)}
    for n in range(negatives):  # so many queries have wrong candidates that somebody judged
        judgements[f"q{n}"] |= {f"p{n}-{(answer[n] + 1 + at) % 10}": 0 for at in range(4)}
    collection = JudgedCollection(
        "made", passages, {f"q{n}": f"question {n}" for n in range(queries)}, judgements
    )
    candidates = {f"q{n}": {f"p{n}-{at}": 10.0 - at for at in range(10)} for n in range(queries)}
    return compare(
        collection, candidates, {"model": lambda _, texts: [logits[t] for t in texts]}, depth=10
    )


@pytest.fixture(scope="module")
def report() -> CalibrationReport:
    return calibrate([compared()], "model")


def test_a_report_says_how_much_better_the_curve_is_and_what_was_never_judged(
    report: CalibrationReport,
) -> None:
    assert report.after.error < report.before.error
    assert report.after.brier < report.before.brier
    assert report.labels.unjudged_share == 1.0
    text = " ".join([headline(report), *reasons(report)])
    assert (
        f"the threshold of {report.threshold:g} keeps a relevant passage for at least 90%" in text
    )
    assert "Of the candidates that count as not relevant, 100% were never judged" in text
    assert "with 60 relevant candidates, fewer than 100" in text
    assert [each[2] for each in report.to_judge] == sorted(
        (each[2] for each in report.to_judge),
        key=lambda name: -report.comparisons[0].reranked[0].run[f"q{name[1:].split('-')[0]}"][name],
    )


def test_the_promised_threshold_keeps_what_the_score_keeps(report: CalibrationReport) -> None:
    assert report.conformal is not None
    kept = report.labels.scores >= report.conformal.score
    by_curve = report.fitted.curve(report.labels.scores) >= report.threshold
    assert kept.sum() <= by_curve.sum() <= kept.sum() + 2


def test_fewer_queries_than_the_promise_needs_are_said_so() -> None:
    report = calibrate([compared(12)], "model", wanted=0.95)
    assert report.threshold is None
    assert headline(report) == (
        "No threshold: to keep a relevant passage for 95% of the queries takes 19 queries or more "
        "that have one."
    )
    assert calibration_values(report)["threshold"] is None


def test_the_fused_score_is_calibrated_with_a_weight() -> None:
    plain, fused = (calibrate([compared()], "model", weight=weight) for weight in (0.0, 1.5))
    assert fused.labels.scores[0] == pytest.approx(plain.labels.scores[0] + 1.5)
    assert fused.calibration("m", Identity("m")).first_stage_weight == 1.5


@pytest.mark.parametrize(
    ("negatives", "said"),
    [
        (9, "Not known whether it separates: the threshold"),
        (12, "No clean separation: the threshold"),
    ],
)
def test_judged_only_separates_what_has_a_judged_wrong_candidate(negatives: int, said: str) -> None:
    report = calibrate([compared(negatives=negatives)], "model", judged_only=True, wanted=0.97)
    assert report.conformal is not None
    assert report.conformal.hopeless == negatives
    assert headline(report).startswith(said)
    assert (f"there are only {negatives}." in headline(report)) == (negatives < 10)
    assert (f"of {negatives} queries that have no answer" in headline(report)) == (negatives >= 10)
    assert report.facts()["threshold"]["hopeless"] == negatives


def test_what_nobody_judged_can_be_left_out() -> None:
    report = calibrate([compared(negatives=60)], "model", judged_only=True)
    assert len(report.labels.scores) == 60 * 5
    assert report.to_judge == []
    assert "Candidates that nobody judged were left out." in " ".join(reasons(report))
    with pytest.raises(InvalidInputError, match="every candidate that is judged is relevant"):
        calibrate([compared()], "model", judged_only=True)


def test_a_calibration_is_written_with_what_it_was_fitted_on(
    report: CalibrationReport, tmp_path: Path
) -> None:
    file = tmp_path / "calibration.json"
    write_calibration(file, report.calibration("model", Identity("m", "fp32", ("prompt='x'",))))
    (read,) = read_calibrations(file)
    assert isinstance(read.curve, Platt)
    assert read.curve == report.fitted.curve
    assert read.identity == Identity("m", "fp32", ("prompt='x'",))
    assert read.fitted_on["queries"] == 60
    assert read.fitted_on["not_judged"] == 1.0
    assert read.fitted_on["threshold"]["value"] == report.threshold
    assert file.stat().st_size < 4000


def test_values_are_plain_and_have_the_figures(report: CalibrationReport) -> None:
    value = json.loads(json.dumps(calibration_values(report)))
    assert value["curve"]["kind"] == "platt"
    assert len(value["bins"]) == len(report.after.bins)
    assert sum(each["count"] for each in value["bins"]) == 600
    assert [each["threshold"] for each in value["thresholds"]][:2] == [0.005, 0.01]
    assert value["to_judge"][0]["collection"] == "made"


def test_the_page_has_the_answer_the_diagram_and_the_passages_to_judge(
    report: CalibrationReport,
) -> None:
    page = calibration_page(report, current_environment("rerank calibrate made"))
    assert headline(report) in page
    assert page.count("<svg") == 1
    assert "Judge these next" in page
    assert "plain sigmoid" in page
    assert "{{" not in page
    judged = calibrate([compared(negatives=60)], "model", judged_only=True)
    page = calibration_page(judged, current_environment("rerank calibrate made --judged-only"))
    assert "Judge these next" not in page


def test_without_scikit_learn_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None; from rerank_plugins.cli import main; "
        "sys.exit(main(['calibrate', 'nowhere']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "rerank calibrate needs sklearn" in done.stderr
    assert "[calibrate]" in done.stderr
