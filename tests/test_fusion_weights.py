"""Does the first stage's opinion help: the weight, its gain, and what is advised."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import yaml
from scipy.stats import bootstrap

from rerank_plugins.evaluation import (
    Comparison,
    Fusion,
    JudgedCollection,
    advice,
    compare,
    cross_fitted,
    fused_order,
    gain,
    with_orders,
)
from rerank_plugins.evaluation.fusion import FOLDS, WEIGHTS
from rerank_plugins.evaluation.intervals import Gain
from rerank_plugins.evaluation.verdict import FEW_QUERIES
from rerank_plugins.ranking.fusion import position_bonus

PLACES = 10
SECOND = 1 / np.log2(3)
"""nDCG@10 of the only relevant passage in the second place."""

Query = tuple[int, tuple[float, ...]]
"""The place of the relevant passage in the first stage, and the model's scores in that order."""


def scores(**by_place: float) -> tuple[float, ...]:
    """Scores of ten candidates, in first-stage order; those not named are hopeless."""
    return tuple(by_place.get(f"at_{place}", -50.0) for place in range(PLACES))


RESCUED: Query = (0, scores(at_0=0.0, at_9=1.1))
"""The first stage is right, the model takes the last candidate: a weight above 1.1 helps."""

SURE: Query = (9, scores(at_0=0.0, at_9=30.0))
"""The first stage is wrong, the model is right and sure: no weight does anything."""

HURT: Query = (9, scores(at_0=0.0, at_9=0.6))
"""The first stage is wrong, the model is right and not sure: a weight of 0.6 and more hurts."""

LOST: Query = (0, scores(at_0=0.0, at_9=30.0))
"""The first stage is right, and the model is sure of the wrong passage."""


def compared(queries: Sequence[Query], name: str = "made") -> Comparison:
    """A first stage and a model that order the candidates of each query so."""
    passages = {f"q{n}-{place}": f"{n} {place}" for n in range(len(queries)) for place in range(10)}
    collection = JudgedCollection(
        name,
        passages,
        {f"q{n}": f"{n}" for n in range(len(queries))},
        {f"q{n}": {f"q{n}-{place}": 1} for n, (place, _) in enumerate(queries)},
    )
    found = {
        f"q{n}": {f"q{n}-{place}": float(-place) for place in range(PLACES)}
        for n in range(len(queries))
    }
    models: dict[str, Callable[[str, list[str]], Sequence[float]]] = {
        "model": lambda query, _: queries[int(query)][1]
    }
    return compare(collection, found, models, depth=PLACES)


def advised(*queries: Query) -> tuple[str, str]:
    comparison = compared(queries)
    found = advice(cross_fitted([comparison], "model"), [comparison])
    return found.answer, found.headline


def weight_of(fusion: Fusion, comparison: Comparison, query: str) -> float:
    """The weight that a query was measured with: the bonus of its first candidate is 1."""
    first = f"{query}-0"
    return fusion.orders[0].run[query][first] - comparison.reranked[0].run[query][first]


def test_a_fused_order_is_the_scores_and_the_bonus_of_the_places() -> None:
    comparison = compared([RESCUED, SURE])
    fused = fused_order(comparison, comparison.reranked[0], 1.5, "both")
    assert fused.name == "both"
    np.testing.assert_allclose(
        list(fused.run["q0"].values()), RESCUED[1] + 1.5 * position_bonus(PLACES)
    )
    assert fused.values["nDCG@10"] == {"q0": 1.0, "q1": 1.0}
    assert fused.values.keys() == comparison.first_stage.values.keys()
    assert fused.seconds == comparison.reranked[0].seconds


def test_a_weight_of_0_is_the_model_alone() -> None:
    comparison = compared([RESCUED, SURE, HURT, LOST])
    alone = comparison.reranked[0]
    assert fused_order(comparison, alone, 0.0, "model") == alone


def test_a_query_without_candidates_counts_as_0_and_stays() -> None:
    queries = {"q0": "0", "q1": "none"}
    judged = {"q0": {"a": 1}, "q1": {"a": 1}}
    collection = JudgedCollection("made", {"a": "x", "b": "y"}, queries, judged)
    found = {"q0": {"b": 2.0, "a": 1.0}}
    comparison = compare(collection, found, {"model": lambda _, texts: [0.0] * len(texts)})
    fusion = cross_fitted([comparison], "model")
    assert fusion.queries == 2
    assert fusion.orders[0].values["nDCG@10"]["q1"] == 0.0


class TestTheWeight:
    def test_is_the_smallest_of_those_that_are_nearly_as_good(self) -> None:
        fusion = cross_fitted([compared([RESCUED] * 20 + [SURE] * 40)], "model")
        assert fusion.weight == min(weight for weight in WEIGHTS if weight > 1.1)
        assert set(fusion.fold_weights) == {fusion.weight}
        assert fusion.by_weight[0.0] == pytest.approx((20 * SECOND + 40) / 60)
        assert fusion.by_weight[1.0] == fusion.by_weight[0.0]
        assert fusion.by_weight[fusion.weight] == fusion.by_weight[12.0] == 1.0

    def test_of_a_query_is_chosen_on_the_other_queries(self) -> None:
        # Each is alone in its fold: the one is measured with what is best for the other.
        comparison = compared([RESCUED, HURT])
        fusion = cross_fitted([comparison], "model")
        assert weight_of(fusion, comparison, "q0") == 0.0
        assert weight_of(fusion, comparison, "q1") == 1.25
        assert fusion.orders[0].values["nDCG@10"] == {"q0": SECOND, "q1": SECOND}
        assert fusion.over_model.mean == pytest.approx((SECOND - 1) / 2)
        assert max(fusion.by_weight.values()) > (2 * SECOND) / 2

    def test_of_a_query_does_not_depend_on_its_judgements(self) -> None:
        queries = [RESCUED, HURT] * FOLDS
        comparison = compared(queries)
        before = cross_fitted([comparison], "model")
        assert len(set(before.fold_weights)) > 1
        for number in range(len(queries)):
            place = 9 - queries[number][0]
            judged = {**comparison.collection.judgements, f"q{number}": {f"q{number}-{place}": 1}}
            changed = compare(
                replace(comparison.collection, judgements=judged),
                comparison.first_stage.run,
                {"model": lambda query, _: queries[int(query)][1]},
                depth=PLACES,
            )
            after = cross_fitted([changed], "model")
            weights = [
                weight_of(fusion, which, f"q{number}")
                for fusion, which in ((before, comparison), (after, changed))
            ]
            assert weights[0] == weights[1]

    def test_is_best_for_the_mean_over_collections_not_for_most_queries(self) -> None:
        small, large = compared([HURT] * 20), compared([RESCUED, SURE] * 100)
        assert cross_fitted([large], "model").weight == 1.25
        assert cross_fitted([small], "model").weight == 0.0
        assert cross_fitted([large, small], "model").weight == 0.0

    def test_is_0_where_there_is_no_other_query(self) -> None:
        comparison = compared([RESCUED])
        fusion = cross_fitted([comparison], "model")
        assert weight_of(fusion, comparison, "q0") == 0.0


class TestTheAdvice:
    def test_to_use_the_weight_if_it_gains_more_than_luck(self) -> None:
        comparison = compared([RESCUED] * 20 + [SURE] * 40)
        fusion = cross_fitted([comparison], "model", {"model": "my-model", "precision": None})
        found = advice(fusion, [comparison])
        assert (found.answer, found.headline) == ("use", "use first_stage_weight=1.25.")
        assert found.reasons == (
            "model with the first stage's opinion gains +12.3 (+8.0 to +16.6) of nDCG@10 x 100 "
            "over model alone, and +47.4 (+39.1 to +55.7) over the first stage (95% intervals).",
            "Each query was measured with a weight chosen on other queries (10 folds, which chose "
            "1.25). The weight for all 60 queries is 1.25.",
        )
        assert found.options == {"model": "my-model", "first_stage_weight": 1.25}
        assert found.python == 'Reranker.from_options(model="my-model", first_stage_weight=1.25)'
        assert yaml.safe_load(found.yaml) == found.options

    def test_gives_the_options_of_a_ranking_too_and_no_token(self) -> None:
        comparison = compared([RESCUED] * 20 + [SURE] * 40)
        given = {"model": "my-model", "token": "hf_secret", "top_k": 10, "first_stage_weight": None}
        of_ranking = {"scale": "calibrated", "calibration": "auto", "spans": False}
        fusion = cross_fitted([comparison], "model", {**given, **of_ranking})
        found = advice(fusion, [comparison])
        assert found.options == {
            "model": "my-model",
            "top_k": 10,
            "scale": "calibrated",
            "calibration": "auto",
            "first_stage_weight": 1.25,
        }
        assert found.reasons[-1] == (
            "A calibration belongs to one weight: fit one to these scores with `rerank calibrate "
            "--first-stage-weight 1.25`."
        )

    def test_to_use_it_if_it_rescues_a_reranker_that_is_worse_than_the_first_stage(self) -> None:
        comparison = compared([RESCUED] * 45 + [SURE] * 15)
        fusion = cross_fitted([comparison], "model")
        assert fusion.model_over_first_stage.mean < 0 < fusion.over_first_stage.low
        assert advice(fusion, [comparison]).answer == "use"

    def test_to_leave_it_if_the_gain_may_be_luck(self) -> None:
        headline = "leave first_stage_weight out: it gives no gain beyond luck."
        assert advised(*[HURT] * 60) == ("leave", headline)
        assert advised(*[SURE] * 58, RESCUED, RESCUED) == ("leave", headline)

    def test_not_to_rerank_if_the_fused_order_is_worse_than_the_first_stage(self) -> None:
        headline = "do not rerank: the first stage is better."
        assert advised(*[LOST] * 50, *[SURE] * 10) == ("do_not_rerank", headline)

    def test_not_to_rerank_if_the_fused_order_is_no_better_than_the_first_stage(self) -> None:
        headline = "do not rerank: the first stage alone is as good."
        assert advised(*[RESCUED] * 60) == ("do_not_rerank", headline)

    def test_that_it_cannot_tell_with_few_queries(self) -> None:
        assert advised(*[RESCUED] * 20, *[SURE] * (FEW_QUERIES - 21)) == (
            "unknown",
            "cannot tell from 49 queries. Judge 50 or more.",
        )
        assert advised(RESCUED)[1] == "cannot tell from one query. Judge 50 or more."
        assert advised(*[RESCUED] * 20, *[SURE] * (FEW_QUERIES - 20))[0] == "use"

    def test_that_it_cannot_tell_where_no_candidate_is_relevant(self) -> None:
        comparison = compared([(12, scores())] * 60)
        found = advice(cross_fitted([comparison], "model"), [comparison])
        assert (found.answer, found.options, found.yaml) == ("unknown", {}, "")
        assert found.headline.endswith("nothing that is judged relevant is among the candidates.")

    def test_names_the_collections_that_it_harms(self) -> None:
        helped = [compared([RESCUED] * 20 + [SURE] * 10, name) for name in ("a", "b", "c", "d")]
        harmed = compared([HURT] * 10, "harmed")
        comparisons = [*helped, harmed]
        found = advice(cross_fitted(comparisons, "model"), comparisons)
        assert found.answer == "use"
        assert "as a mean of 5 collections (95% intervals)." in found.reasons[0]
        assert found.reasons[-1] == "It is worse than model alone on harmed (-36.9)."

    def test_says_so_if_no_larger_weight_is_tried(self) -> None:
        unsure: Query = (0, scores(at_0=0.0, at_9=11.0))
        comparison = compared([unsure] * 20 + [SURE] * 40)
        found = advice(cross_fitted([comparison], "model"), [comparison])
        assert found.headline == "use first_stage_weight=12."
        assert found.reasons[-1].startswith("No larger weight is tried")


class TestTheInterval:
    def test_is_that_of_a_bootstrap_over_queries(self) -> None:
        comparison = compared([RESCUED] * 20 + [SURE] * 40 + [HURT] * 7)
        fusion = cross_fitted([comparison], "model")
        before, after = (
            np.array(list(order.values["nDCG@10"].values()))
            for order in (comparison.first_stage, fusion.orders[0])
        )
        wanted = bootstrap(
            (after - before,), np.mean, method="percentile", rng=1
        ).confidence_interval
        found = fusion.over_first_stage
        assert found.mean == pytest.approx((after - before).mean())
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.005)

    def test_does_not_depend_on_how_collections_differ(self) -> None:
        alike = [compared([LOST] * 30), compared([SURE] * 60)]
        found = gain(
            "nDCG@10", [each.first_stage for each in alike], [c.reranked[0] for c in alike]
        )
        assert found.low == pytest.approx(found.mean)
        assert found.high == pytest.approx(found.mean)

    def test_of_more_queries_than_are_drawn_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        comparison = compared([SURE] * 12 + [LOST] * 9)
        orders = [comparison.first_stage], comparison.reranked
        whole = gain("nDCG@10", *orders)
        monkeypatch.setattr("rerank_plugins.evaluation.intervals._AT_ONCE", 100)
        parts = gain("nDCG@10", *orders)
        assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=0.02)

    @pytest.mark.parametrize(("low", "sure"), [(0.001, True), (0.0, False), (-0.1, False)])
    def test_is_sure_if_it_lies_above_0(self, low: float, sure: bool) -> None:
        assert Gain(0.2, low, 0.3).sure is sure


def test_more_orders_stand_behind_those_that_were_compared() -> None:
    comparisons = [compared([SURE]), compared([LOST])]
    fusion = cross_fitted(comparisons, "model")
    shown = with_orders(comparisons, [fusion.orders])
    assert [[o.name for o in each.reranked] for each in shown] == [
        ["model", "model + first stage"]
    ] * 2
    assert [each.reranked[1] for each in shown] == list(fusion.orders)
    assert [len(each.reranked) for each in comparisons] == [1, 1]
