"""Fusion: the first stage's opinion as a bonus on the model's logits."""

import asyncio
import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    RankedList,
    Reranker,
    Scorer,
    UnsupportedOptionError,
    compile_model,
)
from rerank_plugins.models.own_settings import OwnSettings, read_own_settings, write_own_settings
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.ranking.fusion import position_bonus, score_bonus
from rerank_plugins.testing import DeterministicScorer
from tests.tiny_models import save_tiny_cross_encoder

PASSAGES = ["a", "b", "c", "d"]
LOGITS = {"a": -1.0, "b": 0.25, "c": 1.0, "d": 0.5}
BY_PLACE = position_bonus(4)


def many(method: Callable[..., Any], query: str, passages: Any, **options: Any) -> Any:
    """The arguments of `rank` as those of a method for many queries."""
    if "first_stage_scores" in options:
        options["first_stage_scores"] = [options["first_stage_scores"]]
    return method([query], [passages], **options)


WAYS: dict[str, Callable[..., RankedList]] = {
    "rank": lambda one, *args, **more: one.rank(*args, **more),
    "arank": lambda one, *args, **more: asyncio.run(one.arank(*args, **more)),
    "rank_many": lambda one, *args, **more: many(one.rank_many, *args, **more)[0],
    "arank_many": lambda one, *args, **more: asyncio.run(many(one.arank_many, *args, **more))[0],
}
"""The four methods that rank, for one query."""


class Naming(DeterministicScorer):
    """A scorer of one's own that names a weight."""

    first_stage_weight = 2.0


def by_table(kind: type[DeterministicScorer] = DeterministicScorer) -> DeterministicScorer:
    """A scorer that looks the logit of each passage up."""
    return kind(lambda query, passage: LOGITS[passage])


def order(ranking: RankedList) -> list[int]:
    """The positions, best first."""
    return [ranked.index for ranked in ranking]


def test_the_bonus_by_place_falls_from_one_to_none_as_the_logarithm_of_the_rank() -> None:
    assert position_bonus(0).shape == (0,)
    assert position_bonus(1).tolist() == [0.0]
    assert position_bonus(2).tolist() == [1.0, 0.0]
    ranks = -np.log(1 + np.arange(1, 101))
    wanted = (ranks - ranks[-1]) / (ranks[0] - ranks[-1])
    np.testing.assert_allclose(position_bonus(100), wanted, atol=1e-15)


@pytest.mark.parametrize(
    ("scores", "higher_is_better", "bonus"),
    [
        ([4.0, 3.0, 2.0], True, [1.0, 0.5, 0.0]),
        ([0.1, 0.2, 0.3], False, [1.0, 0.5, 0.0]),
        ([-1.0, -3.0], True, [1.0, 0.0]),
        ([2.0, 4.0, 3.0], True, [0.0, 1.0, 0.5]),  # what is not sorted is believed
        ([1.0, 2.0], True, [0.0, 1.0]),
        ([1.0, 2.0, 3.0, 4.0], True, [0.0, 1 / 3, 2 / 3, 1.0]),  # so few may rise by chance
        ([7.0, 7.0, 7.0, 7.0, 7.0], True, [0.0] * 5),
        ([7.0], True, [0.0]),
        ([], True, []),
        (np.array([3, 1], dtype=np.float32), True, [1.0, 0.0]),
        ([np.float16(2), np.int64(1)], True, [1.0, 0.0]),
        ([Decimal("0.9"), Fraction(1, 10)], True, [1.0, 0.0]),
        (iter([2, 1]), True, [1.0, 0.0]),
        ([5e-324, 0.0], True, [1.0, 0.0]),
        ([1.7e308, 0.0, -1.7e308], True, [1.0, 0.5, 0.0]),
    ],
)
def test_the_bonus_by_score_is_their_place_between_the_least_and_the_greatest(
    scores: Any, higher_is_better: bool, bonus: list[float]
) -> None:
    found = score_bonus(scores, len(bonus), higher_is_better=higher_is_better)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, bonus, atol=1e-15)


@pytest.mark.parametrize(
    "bad",
    [None, math.nan, math.inf, -math.inf, True, np.True_, "3", b"3", 10**400, 1j, [1.0], {}],
    ids=str,
)
def test_a_score_that_is_no_finite_number_is_named_by_position(bad: object) -> None:
    told = r"first_stage_scores\[1\] must be a finite number, but got .*first_stage_score_field of"
    with pytest.raises(InvalidInputError, match=told):
        score_bonus([1.0, bad, 0.5], 3, higher_is_better=True)


@pytest.mark.parametrize("bad", [0.5, "123", b"123", ...], ids=str)
def test_scores_that_are_no_list_or_too_many_are_refused(bad: object) -> None:
    told = "first_stage_scores must be a list of numbers, one per passage, but got "
    with pytest.raises(InvalidInputError, match=told):
        Reranker(by_table(), first_stage_weight=1).rank("q", ["a"], first_stage_scores=bad)
    with pytest.raises(InvalidInputError, match="one score per passage, but got 3 scores for 2 pa"):
        score_bonus([3.0, 2.0, 1.0], 2, higher_is_better=True)


@pytest.mark.parametrize(
    ("scores", "higher_is_better", "says"),
    [
        (
            [0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
            True,
            "For distances, where small is near, pass higher_is_better=False; otherwise sort the "
            "passages.",
        ),
        (
            [*map(float, range(8, 0, -1))],
            False,
            "Where a higher score is better, pass higher_is_better=True; otherwise sort the "
            "passages, nearest first.",
        ),
    ],
)
def test_scores_that_only_get_better_along_the_list_are_read_with_the_wrong_sign(
    scores: list[float], higher_is_better: bool, says: str
) -> None:
    told = f"get better from the first passage to the last ({scores[0]:g} ... {scores[-1]:g})"
    with pytest.raises(InvalidInputError, match=f"{re.escape(told)}.* {re.escape(says)}$"):
        score_bonus(scores, 8, higher_is_better=higher_is_better)
    assert score_bonus(scores, 8, higher_is_better=not higher_is_better).tolist()[0] == 1.0


def test_few_scores_that_rise_or_one_among_equal_ones_tell_of_no_sign() -> None:
    for scores in ([1.0, 2, 3, 4, 5, 6], [0.0] * 50 + [1.0]):
        assert score_bonus(scores, len(scores), higher_is_better=True).tolist()[-1] == 1.0


@pytest.mark.parametrize("way", WAYS)
def test_the_weight_times_the_bonus_is_added_to_the_logit(way: str) -> None:
    reranker = Reranker(by_table(), first_stage_weight=1.5, scale="logit")
    ranking = WAYS[way](reranker, "q", PASSAGES)
    fused = {at: LOGITS[name] + 1.5 * BY_PLACE[at] for at, name in enumerate(PASSAGES)}
    assert order(ranking) == sorted(fused, key=lambda at: -fused[at]) == [2, 1, 0, 3]
    for ranked in ranking:
        assert ranked.scale == "fused"
        assert ranked.score == fused[ranked.index]
        assert ranked.model_score == LOGITS[PASSAGES[ranked.index]]
        assert type(ranked.score) is type(ranked.model_score) is float


@pytest.mark.parametrize("way", WAYS)
def test_scores_of_the_first_stage_count_in_the_place_of_positions(way: str) -> None:
    reranker = Reranker(by_table(), first_stage_weight=4, higher_is_better=False, scale="logit")
    given = {"first_stage_scores": [0.3, 0.1, 0.5, np.float32(0.4)]}
    bonus = score_bonus(given["first_stage_scores"], 4, higher_is_better=False)
    ranking = WAYS[way](reranker, "q", PASSAGES, **given)
    assert order(ranking) == [1, 3, 0, 2]
    assert [ranked.score for ranked in ranking] == [
        LOGITS[PASSAGES[at]] + 4 * bonus[at] for at in order(ranking)
    ]


def test_as_a_probability_the_fused_score_is_the_sigmoid_of_the_sum() -> None:
    reranker = Reranker(by_table(), first_stage_weight=1.5)
    as_logits = reranker.rank("q", PASSAGES, scale="logit")
    ranking = reranker.rank("q", PASSAGES)
    assert order(ranking) == order(as_logits)
    for ranked, logit in zip(ranking, as_logits, strict=True):
        assert ranked.scale == "fused"
        assert ranked.score == pytest.approx(1 / (1 + math.exp(-logit.score)), abs=1e-15)
        sigmoid = 1 / (1 + math.exp(-logit.model_score))
        assert ranked.model_score == pytest.approx(sigmoid, abs=1e-15)


@pytest.mark.parametrize("scale", ["probability", "logit"])
@pytest.mark.parametrize("weight", [0, 1.5, 1000])
def test_a_threshold_acts_on_what_the_model_said(weight: float, scale: Any) -> None:
    threshold = {"probability": 0.5, "logit": 0}[scale]
    given = {"score_threshold": threshold, "scale": scale, "first_stage_weight": weight}
    reranker = Reranker(by_table(), **given)
    assert sorted(order(reranker.rank("q", PASSAGES))) == [1, 2, 3]
    assert order(reranker.rank("q", PASSAGES, top_k=1)) == ([1] if weight == 1000 else [2])
    hopeless = Reranker(DeterministicScorer(lambda query, passage: -3.0), **given)
    assert hopeless.rank("q", PASSAGES) == []
    other = "logit" if scale == "probability" else "probability"
    assert sorted(order(reranker.rank("q", PASSAGES, scale=other))) == [1, 2, 3]


def test_passages_with_equal_sums_keep_first_stage_order() -> None:
    logits = {"a": 0.0, "b": 1.0, "c": 2.0}
    scorer = DeterministicScorer(lambda query, passage: logits[passage])
    reranker = Reranker(scorer, first_stage_weight=2)
    ranking = reranker.rank("q", list(logits), first_stage_scores=[10, 5, 0])
    assert order(ranking) == [0, 1, 2]
    assert len({ranked.score for ranked in ranking}) == 1


def test_a_weight_of_nothing_orders_as_the_model_and_the_scale_still_says_fused() -> None:
    plain = Reranker(by_table()).rank("q", PASSAGES)
    ranking = Reranker(by_table(), first_stage_weight=0).rank("q", PASSAGES)
    assert [(one.index, one.score) for one in ranking] == [(one.index, one.score) for one in plain]
    assert {ranked.scale for ranked in ranking} == {"fused"}
    assert {ranked.scale for ranked in plain} == {"probability"}
    assert all(ranked.score == ranked.model_score for ranked in [*plain, *ranking])


@pytest.mark.parametrize("way", WAYS)
def test_a_call_may_have_a_weight_of_its_own(way: str) -> None:
    plain, always = Reranker(by_table()), Reranker(by_table(), first_stage_weight=1000)
    assert order(WAYS[way](always, "q", PASSAGES)) == [0, 1, 2, 3]
    assert WAYS[way](plain, "q", PASSAGES, first_stage_weight=1000) == always.rank("q", PASSAGES)
    assert WAYS[way](always, "q", PASSAGES, first_stage_weight=None) == plain.rank("q", PASSAGES)
    with pytest.raises(InvalidInputError, match="first_stage_weight must be 'auto' or a number"):
        WAYS[way](plain, "q", [], first_stage_weight=-1)


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf, "1.5", "Auto", True, [1]])
def test_a_weight_that_is_not_allowed_is_refused(weight: object) -> None:
    told = r"first_stage_weight must be 'auto' or a number >= 0, but got .*=1\.5; to leave.* None"
    with pytest.raises(InvalidInputError, match=told):
        Reranker(by_table(), first_stage_weight=weight)
    with pytest.raises(InvalidInputError, match="higher_is_better must be True or False"):
        Reranker(by_table(), higher_is_better="no")


@pytest.mark.parametrize("way", WAYS)
def test_scores_that_no_weight_makes_count_are_refused(way: str) -> None:
    told = (
        "first_stage_scores goes with first_stage_weight, which is not given. Give "
        "first_stage_weight='auto' or a number, or leave first_stage_scores out."
    )
    scores = {"first_stage_scores": [4, 3, 2, 1]}
    with pytest.raises(InvalidInputError, match=told):
        WAYS[way](Reranker(by_table()), "q", PASSAGES, **scores)
    weighted = Reranker(by_table(), first_stage_weight=1)
    with pytest.raises(InvalidInputError, match=told):
        WAYS[way](weighted, "q", PASSAGES, first_stage_weight=None, **scores)


def test_many_queries_have_scores_and_places_of_their_own() -> None:
    reranker = Reranker(by_table(), first_stage_weight=1.5)
    lists = [PASSAGES, [], PASSAGES[::-1], ["d"]]
    queries = list("pqrs")
    one_by_one = [reranker.rank(*one) for one in zip(queries, lists, strict=True)]
    assert reranker.rank_many(queries, lists) == one_by_one
    scores = [[3, 1, 2, 0], [], [0.5, 0.1, 0.3, 0.4], [1]]
    with_scores = reranker.rank_many(queries, lists, first_stage_scores=iter(map(iter, scores)))
    assert with_scores == [
        reranker.rank(query, passages, first_stage_scores=one)
        for query, passages, one in zip(queries, lists, scores, strict=True)
    ]
    assert with_scores != one_by_one
    for bad in (3, "pqrs", [[1]], [1, 2, 3, 4], [[3, 1, 2, 0], None, [], [1]]):
        with pytest.raises(InvalidInputError, match="must be one list of scores per query, but"):
            reranker.rank_many(queries, lists, first_stage_scores=bad)


@pytest.mark.parametrize("way", WAYS)
def test_auto_takes_what_a_scorer_of_ones_own_names(way: str) -> None:
    auto = Reranker(by_table(Naming), first_stage_weight="auto")
    auto.warm_up()
    assert auto.first_stage_weight == "auto"
    assert WAYS[way](auto, "q", PASSAGES) == Reranker(by_table(), first_stage_weight=2).rank(
        "q", PASSAGES
    )


@pytest.mark.parametrize("way", WAYS)
def test_auto_is_an_error_where_nothing_is_named_and_says_how_to_find_a_weight(way: str) -> None:
    told = (
        r"'deterministic' names no first_stage_weight.*first_stage_weight='auto' has nothing.*"
        r"first_stage_weight=1\.5; `.*rerank eval --fuse`"
    )
    reranker = Reranker(by_table(), first_stage_weight="auto")
    assert WAYS[way](reranker, "q", []) == []
    for fails in (
        lambda: WAYS[way](reranker, "q", PASSAGES),
        reranker.warm_up,
        lambda: asyncio.run(reranker.awarm_up()),
    ):
        with pytest.raises(UnsupportedOptionError, match=told):
            fails()


@pytest.mark.parametrize("named", ["2", math.nan, -1.0, "auto"], ids=str)
def test_a_scorer_of_ones_own_that_names_no_number_as_its_weight_is_told_so(named: object) -> None:
    kind = type("Naming", (DeterministicScorer,), {"first_stage_weight": named})
    auto = Reranker(by_table(kind), first_stage_weight="auto")
    told = r"'deterministic' must name .* finite number >= 0, but names .*such as 1\.5"
    for fails in (lambda: auto.rank("q", PASSAGES), auto.warm_up):
        with pytest.raises(InvalidInputError, match=told):
            fails()


def test_auto_takes_what_a_models_folder_names_and_a_bundle_of_it_too(tmp_path: Path) -> None:
    folder = save_tiny_cross_encoder(tmp_path / "model")
    with CrossEncoderScorer(folder) as unnamed:
        assert unnamed.first_stage_weight is None
        write_own_settings(folder, OwnSettings(0.75))
        assert unnamed.first_stage_weight == 0.75
    bundle = compile_model(folder, tmp_path / "bundle")
    texts = ["the red fox", "a dog", "fire and water", "red"]
    for model in (folder, bundle):
        with Reranker.from_options(model=model, first_stage_weight="auto") as auto:
            assert auto.rank("red fox", []) == []
            auto.warm_up()
            found = auto.rank("red fox", texts)
            assert found == auto.rank("red fox", texts, first_stage_weight=0.75)
            assert {ranked.scale for ranked in found} == {"fused"}


def test_auto_takes_what_the_embedded_model_names() -> None:
    with CrossEncoderScorer("embedded") as scorer:
        weight = read_own_settings(EMBEDDED_FOLDER).first_stage_weight
        assert weight is not None
        assert scorer.first_stage_weight == weight > 0


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8), st.sampled_from([0.0, 0.5, 2.0]))
def test_every_fused_ranking_is_sorted_by_its_scores_and_then_by_place(
    logits: list[int], weight: float
) -> None:
    scorer: Scorer = DeterministicScorer(lambda query, passage: logits[int(passage)])
    reranker = Reranker(scorer, first_stage_weight=weight, scale="logit")
    ranking = reranker.rank("q", [str(at) for at in range(len(logits))])
    assert len(ranking) == len(logits)
    keys = [(-ranked.score, ranked.index) for ranked in ranking]
    assert keys == sorted(keys)
    assert [one.model_score for one in ranking] == [logits[at] for at in order(ranking)]
