"""Cascade: models that choose what the last model reads."""

import asyncio
import copy
import pickle
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    PairScores,
    RankedList,
    Reranker,
    Scorer,
    ScorerClosedError,
    ScoringTimeoutError,
    Statistics,
    UnsupportedOptionError,
)
from rerank_plugins.models.own_settings import OwnSettings, write_own_settings
from rerank_plugins.ranking.fusion import position_bonus
from rerank_plugins.testing import DeterministicScorer
from tests.tiny_models import save_tiny_cross_encoder

PASSAGES = ["p0", "p1", "p2", "p3", "p4"]
SMALL = {"p0": 0.0, "p1": 3.0, "p2": 1.0, "p3": 3.0, "p4": 2.0}
LARGE = {"p0": 9.0, "p1": -1.0, "p2": 5.0, "p3": 4.0, "p4": -1.0}
TEXTS = ["the red fox", "a dog", "fire and water", "red", "the big star"]

WAYS: dict[str, Callable[..., RankedList]] = {
    "rank": lambda one, *args, **more: one.rank(*args, **more),
    "arank": lambda one, *args, **more: asyncio.run(one.arank(*args, **more)),
}


def by_table(logits: dict[str, float], kind: Any = DeterministicScorer) -> DeterministicScorer:
    """A scorer that looks the logit of each passage up."""
    return kind(lambda query, passage: logits[passage])


class Naming(DeterministicScorer):
    """A scorer that names a weight."""

    first_stage_weight = 6.0


class Silent(Scorer):
    """A scorer that never answers."""

    def __init__(self) -> None:
        self.futures: list[Future[PairScores]] = []

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        self.futures.append(Future())
        return self.futures[-1]


def order(ranking: RankedList) -> list[int]:
    """The positions, best first."""
    return [ranked.index for ranked in ranking]


def read_by(scorer: DeterministicScorer) -> list[list[str]]:
    """The passages of each call of the scorer."""
    return [[passage for _, passage in call] for call in scorer.calls]


@pytest.mark.parametrize("way", WAYS)
def test_each_model_reads_in_order_what_the_one_before_kept_and_the_last_ones_scores_count(
    way: str,
) -> None:
    small, middle, large = by_table(SMALL), by_table({**SMALL, "p2": 9}), by_table(LARGE)
    stages = [{"scorer": small, "keep": 4}, {"scorer": middle, "keep": 2}]
    reranker = Reranker(large, cascade=stages, scale="logit")
    ranking = WAYS[way](reranker, "q", PASSAGES)
    assert read_by(small) == [PASSAGES]
    assert read_by(middle) == [["p1", "p3", "p4", "p2"]]  # equal scores: first-stage order
    assert read_by(large) == [["p2", "p1"]]
    assert [(one.index, one.score, one.scale) for one in ranking] == [
        (2, 5.0, "logit"),
        (1, -1.0, "logit"),
    ]
    assert ranking.read == (5, 4, 2)
    assert (ranking.unscored, ranking.backfill, ranking.complete) == ((), (), True)


def test_equal_scores_of_the_last_model_keep_first_stage_order() -> None:
    rising = by_table({name: float(at) for at, name in enumerate(PASSAGES)})
    last = by_table(dict.fromkeys(PASSAGES, 1.0))
    reranker = Reranker(last, cascade=[{"scorer": rising, "keep": 3}])
    assert order(reranker.rank("q", PASSAGES)) == [2, 3, 4]
    assert read_by(last) == [["p4", "p3", "p2"]]


def test_a_threshold_and_a_limit_are_of_the_last_model() -> None:
    stages = [{"scorer": by_table(SMALL), "keep": 4}]
    reranker = Reranker(by_table(LARGE), cascade=stages, score_threshold=0.5)
    assert order(reranker.rank("q", PASSAGES)) == [2, 3]
    assert order(reranker.rank("q", PASSAGES, top_k=4, score_threshold=None)) == [2, 3, 1, 4]


def test_what_the_last_model_cut_is_said_of_the_passages_it_read() -> None:
    texts = ["one two three four", "one", "one two three"]
    small, large = DeterministicScorer(max_words=1), DeterministicScorer(max_words=4)
    ranking = Reranker(large, cascade=[{"scorer": small, "keep": 2}]).rank("one", texts)
    assert [(one.index, one.truncated) for one in ranking] == [(0, True), (1, False)]
    assert small.statistics == Statistics(pairs=3, truncated=3)
    assert large.statistics == Statistics(pairs=2, truncated=1)


def test_a_stage_that_keeps_more_than_there_are_keeps_all_and_none_ask_no_model() -> None:
    small, large = by_table(SMALL), by_table(LARGE)
    reranker = Reranker(large, cascade=[{"scorer": small, "keep": 50}])
    assert order(reranker.rank("q", PASSAGES)) == [0, 2, 3, 1, 4]
    empty = reranker.rank("q", [])
    assert (empty, empty.read, empty.complete) == ([], (), True)
    assert len(small.calls) == len(large.calls) == 1


def test_many_queries_share_the_call_of_each_stage_and_rank_as_alone() -> None:
    small, large = by_table(SMALL), by_table(LARGE)
    stages = [{"scorer": small, "keep": 2}]
    reranker = Reranker(large, cascade=stages, first_stage_weight=0.5, scale="logit")
    queries, lists = list("abcd"), [PASSAGES, [], PASSAGES[::-1], ["p3"]]
    found = reranker.rank_many(queries, lists)
    assert len(small.calls) == len(large.calls) == 1
    assert [one.read for one in found] == [(5, 2), (), (5, 2), (1, 1)]
    bonus = position_bonus(5)  # of the places in the whole list
    assert [one.score for one in found[0]] == [4 + 0.5 * bonus[3], -1 + 0.5 * bonus[1]]
    assert found == [reranker.rank(*one) for one in zip(queries, lists, strict=True)]
    assert asyncio.run(reranker.arank_many(queries, lists)) == found


def test_each_model_has_a_weight_of_its_own_and_only_auto_passes_on() -> None:
    def kept(small: Scorer, stage: dict[str, Any], weight: Any) -> list[str]:
        large = by_table(LARGE, Naming)
        stages = [{"scorer": small, "keep": 2, **stage}]
        Reranker(large, cascade=stages, first_stage_weight=weight).rank("q", PASSAGES)
        return read_by(large)[0]

    alone, near, first = ["p1", "p3"], ["p1", "p0"], ["p0", "p1"]
    assert kept(by_table(SMALL), {}, None) == alone
    assert kept(by_table(SMALL), {}, 1000) == alone
    assert kept(by_table(SMALL, Naming), {}, "auto") == near
    assert kept(by_table(SMALL, Naming), {"first_stage_weight": None}, "auto") == alone
    assert kept(by_table(SMALL, Naming), {"first_stage_weight": 1000}, "auto") == first
    assert kept(by_table(SMALL, Naming), {"first_stage_weight": "auto"}, None) == near
    with pytest.raises(UnsupportedOptionError, match="'deterministic' names no first_stage_wei"):
        kept(by_table(SMALL), {}, "auto")


def test_scores_of_the_first_stage_count_where_only_a_stage_before_the_last_has_a_weight() -> None:
    large = by_table(LARGE)
    stages = [{"scorer": by_table(SMALL), "keep": 2, "first_stage_weight": 1000}]
    ranking = Reranker(large, cascade=stages).rank(
        "q", PASSAGES, first_stage_scores=[1, 0, 3, 0, 5]
    )
    assert read_by(large) == [["p4", "p2"]]
    assert [(one.index, one.scale) for one in ranking] == [(2, "probability"), (4, "probability")]


STAGES: list[tuple[Any, str]] = [
    (5, r"cascade must be a list of stages such as \[{\"model\": \"embedded\", .*, but got int 5"),
    ({"model": "embedded", "keep": 3}, "cascade must be a list of stages such as .*but got dict"),
    (["embedded"], r"cascade\[0\] must be a dictionary such as {\"model\": .*, but got str 'emb"),
    ([{"keep": 3}], r"cascade\[0\] must name a model or a scorer, but names keep\. For example"),
    (
        [{"model": "embedded", "scorer": DeterministicScorer(), "keep": 3}],
        r"cascade\[0\] must name a model or a scorer, but names model, scorer, keep\. For example",
    ),
    ([{"model": "embedded"}], r"cascade\[0\]: keep must be > 0, but got None.*For example: {\"mo"),
    ([{"model": "embedded", "keep": 3, "max_length": 1}], r"cascade\[0\]: max_length must be at"),
    ([{"model": "embedded", "keep": 3, "top_k": 2}], r"has no option 'top_k'\. .* are keep, model"),
    (
        [{"model": "embedded", "keep": 3, "token": "x"}],
        r"no option 'token'.*such as token .* are the last model's.*scorer=, give them to Reranker",
    ),
    (
        [{"scorer": DeterministicScorer(), "keep": 3, "max_length": 20}],
        r"cascade\[0\] has no option 'max_length'\. Its options are scorer, keep, first_stage_wei",
    ),
    (
        [{"model": "embedded", "keep": 3, "first_stage_weight": -1}],
        r"cascade\[0\]: first_stage_weight must be 'auto' or a number >= 0, but got -1",
    ),
    (
        [{"model": "embedded", "keep": 3}, {"model": "embedded", "keep": 3}],
        r"cascade\[1\] must keep fewer passages than the stage before, but keep is 3, then 3",
    ),
    (
        [{"scorer": "embedded", "keep": 3}],
        r"cascade\[0\]: scorer must be a Scorer, but got str 'embedded'\. Pass CrossEncoderScorer",
    ),
]


@pytest.mark.parametrize(("cascade", "told"), STAGES, ids=lambda value: str(value)[:50])
def test_a_stage_that_is_not_allowed_is_named_and_shown_how_to_write(
    cascade: Any, told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        Reranker(DeterministicScorer(), cascade=cascade)
    with pytest.raises(InvalidInputError, match=told):
        Reranker.from_options(model="embedded", cascade=cascade)


def test_no_stages_are_no_cascade_and_a_generator_of_them_is_a_list() -> None:
    assert Reranker(by_table(LARGE), cascade=[]).cascade is None
    for make in (Reranker, lambda scorer, **given: Reranker.from_options(scorer=scorer, **given)):
        reranker = make(by_table(LARGE), cascade=({"model": "embedded", "keep": n} for n in (3, 2)))
        assert [stage["keep"] for stage in reranker.cascade] == [3, 2]
        assert "cascade=[{'keep': 3, 'model': 'embedded'}" in repr(reranker)


def test_more_passages_than_the_cascade_keeps_cannot_be_asked_for() -> None:
    stages = [{"scorer": by_table(SMALL), "keep": 3}]
    told = "4 passages are to come back, but the cascade keeps only 3 .*Lower top_k.* or raise keep"
    with pytest.raises(InvalidInputError, match=told):
        Reranker(by_table(LARGE), cascade=stages, top_k=4)
    reranker = Reranker(by_table(LARGE), cascade=stages, top_k=3)
    with pytest.raises(InvalidInputError, match=told):
        reranker.rank("q", [], top_k=4)
    assert len(reranker.rank("q", PASSAGES, top_k=None)) == 3


def test_stages_of_models_share_the_options_of_the_hub_and_have_the_others_for_themselves(
    tiny_model: Path, tmp_path: Path
) -> None:
    hub = {"token": "hf_x", "cache_folder": str(tmp_path), "local_files_only": True, "timeout": 99}
    stages = [{"model": "some/model", "keep": 5, "max_length": 16, "backend": "torch"}]
    ready = CrossEncoderScorer(tiny_model, max_length=32, **hub)
    for reranker in (
        Reranker.from_options(model=tiny_model, max_length=32, cascade=stages, **hub),
        Reranker.from_options(scorer=ready, cascade=stages),
        Reranker(ready, cascade=stages),
    ):
        first, last = (stage.scorer for stage in reranker._stages(reranker._settings))
        assert {name: first._options[name] for name in hub} == hub
        assert reranker._settings.timeout == 99  # for all stages together
        own = [(one._options["max_length"], one._options["backend"]) for one in (first, last)]
        assert own == [(16, "torch"), (32, "auto")]
        assert "hf_x" not in repr(reranker) + str(reranker.cascade)
        assert b"hf_x" not in pickle.dumps(reranker)
        reranker.close()
    ready.close()


HUB = {"token": "hf_x", "cache_folder": "models", "local_files_only": True, "timeout": 99.0}
HUB_STAGE = {"model": "some/model", "keep": 5}


@pytest.mark.parametrize("scorer", [{"url": "http://localhost:9"}, DeterministicScorer()])
def test_stages_before_a_ready_scorer_have_the_hub_options_given_beside_it(scorer: Any) -> None:
    own = {"scorer": by_table(LARGE), "keep": 2}
    with Reranker.from_options(scorer=scorer, cascade=[HUB_STAGE, own], **HUB) as reranker:
        stage = reranker.scorers[0]
        assert {name: stage._options[name] for name in HUB} == HUB
        assert reranker.scorers[1] is own["scorer"]
        assert reranker._settings.timeout == 99
        assert b"hf_x" not in pickle.dumps(Reranker(stage, cascade=[HUB_STAGE]))
    with pytest.raises(ScorerClosedError):
        stage.score("q", ["a"])


def test_what_is_given_beside_a_ready_model_is_the_stages_and_the_rest_is_the_models() -> None:
    ready = CrossEncoderScorer("embedded", token="hf_x", timeout=7)
    reranker = Reranker.from_options(scorer=ready, cascade=[HUB_STAGE], token="hf_y")
    assert [one._options["token"] for one in reranker.scorers] == ["hf_y", "hf_x"]
    assert [one._options["timeout"] for one in reranker.scorers] == [7, 7]
    assert reranker._settings.timeout == 7


@pytest.mark.parametrize(
    ("cascade", "options", "told"),
    [
        (None, {"token": "hf_x"}, "scorer= and token= exclude each other"),
        (
            [{"scorer": DeterministicScorer(), "keep": 3}],
            {"token": "hf_x", "timeout": 3},
            "scorer= and token=, timeout= exclude each other",
        ),
        ([HUB_STAGE], {"token": "hf_x", "device": "cpu"}, "scorer= and device= exclude each other"),
        ([HUB_STAGE], {"timeout": -1}, "timeout must be a number of seconds > 0"),
    ],
)
def test_an_option_that_no_model_would_use_is_refused_beside_a_ready_scorer(
    cascade: Any, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        Reranker.from_options(scorer=DeterministicScorer(), cascade=cascade, **options)


class OfOurs(Reranker):
    """A class of a user's own."""

    def __init__(self, scorer: Scorer, **options: Any) -> None:
        super().__init__(scorer, **options)
        self.team = "search"


@pytest.mark.parametrize("closes_copy", [True, False])
def test_a_copy_of_a_reranker_closes_what_it_made_and_no_more(
    tiny_model: Path, closes_copy: bool
) -> None:
    own = DeterministicScorer()
    stages = [{"model": tiny_model, "keep": 4}, {"scorer": own, "keep": 3}]
    reranker = OfOurs.from_options(model=tiny_model, cascade=stages, top_k=2)
    reranker.team = "shop"
    wanted = reranker.rank("red fox", TEXTS)
    copied = copy.copy(reranker)
    assert (type(copied), copied.team) == (OfOurs, "shop")
    assert copied.scorers[1] is own
    closed, kept = (copied, reranker) if closes_copy else (reranker, copied)
    closed.close()
    assert not own.closed
    for at in (0, 2):
        with pytest.raises(ScorerClosedError):
            closed.scorers[at].score("q", ["a"])
    assert kept.rank("red fox", TEXTS) == wanted
    kept.close()
    for at in (0, 2):
        with pytest.raises(ScorerClosedError):
            kept.scorers[at].score("q", ["a"])


def test_a_copy_of_a_reranker_shares_the_scorer_that_was_given() -> None:
    reranker = Reranker(by_table(LARGE), top_k=1)
    with copy.copy(reranker) as copied:
        assert copied.scorer is reranker.scorer
    assert order(reranker.rank("q", PASSAGES)) == [0]


def test_a_cascade_of_models_ranks_as_its_models_do_one_after_the_other(
    tiny_model: Path, tmp_path: Path
) -> None:
    weighted = save_tiny_cross_encoder(tmp_path, spread=0.5)
    write_own_settings(weighted, OwnSettings(0.75))
    stages = [{"model": weighted, "keep": 3, "first_stage_weight": "auto"}]
    with (
        CrossEncoderScorer(weighted) as small,
        CrossEncoderScorer(tiny_model) as large,
        Reranker.from_options(model=tiny_model, cascade=stages) as reranker,
    ):
        reranker.warm_up()
        kept = order(Reranker(small, first_stage_weight=0.75, top_k=3).rank("red fox", TEXTS))
        wanted = Reranker(large).rank("red fox", [TEXTS[at] for at in sorted(kept)])
        found = reranker.rank("red fox", TEXTS)
        assert order(found) == [sorted(kept)[at] for at in order(wanted)]
        assert [one.score for one in found] == pytest.approx([one.score for one in wanted])
        assert found.read == (5, 3)
        for copied in (pickle.loads(pickle.dumps(reranker)), copy.deepcopy(reranker)):
            assert copied.rank("red fox", TEXTS) == found
            copied.close()
        assert reranker.rank("red fox", TEXTS) == found


def test_all_stages_are_warmed_up_and_only_those_that_were_made_are_closed(
    tiny_model: Path,
) -> None:
    class Warming(DeterministicScorer):
        warmed = 0

        def warm_up(self) -> None:
            self.warmed += 1

    own, stages = Warming(), [{"model": tiny_model, "keep": 4}]
    with Reranker(own, cascade=[*stages, {"scorer": own, "keep": 2}]) as reranker:
        reranker.warm_up()
        asyncio.run(reranker.awarm_up())
        assert own.warmed == 4
        made = reranker._made[0]
    assert not own.closed
    with pytest.raises(ScorerClosedError):
        made.score("q", ["a"])
    again = Reranker.from_options(model=tiny_model, cascade=[*stages, {"scorer": own, "keep": 2}])
    asyncio.run(again.aclose())
    assert len(again._made) == 2
    for scorer in again._made:
        with pytest.raises(ScorerClosedError):
            scorer.score("q", ["a"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("silent", [0, 1])
def test_the_time_limit_of_a_call_is_for_all_stages_together(way: str, silent: int) -> None:
    slow = DeterministicScorer(lambda query, passage: time.sleep(0.02) or SMALL[passage])
    scorers: list[Scorer] = [slow, by_table(LARGE)]
    scorers[silent] = Silent()
    reranker = Reranker(scorers[1], cascade=[{"scorer": scorers[0], "keep": 2}])
    late = r"2 pairs.*timeout=0\.001 seconds.*All that a ranking asks for shares timeout=0\.05\."
    told = r"5 pairs were.* by 'Silent' within timeout=0\.05 seconds", late
    with pytest.raises(ScoringTimeoutError, match=told[silent]):
        WAYS[way](reranker, "q", PASSAGES, timeout=0.05)
    assert all(future.cancelled() for future in scorers[silent].futures)


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8), st.integers(1, 9), st.integers(1, 9))
def test_every_cascade_ranks_the_best_of_the_stage_before(
    logits: list[int], keep: int, limit: int
) -> None:
    small = DeterministicScorer(lambda query, passage: logits[int(passage)])
    large = DeterministicScorer(lambda query, passage: -logits[int(passage)])
    reranker = Reranker(large, cascade=[{"scorer": small, "keep": keep}], top_k=min(keep, limit))
    kept = sorted(range(len(logits)), key=lambda at: (-logits[at], at))[:keep]
    wanted = sorted(kept, key=lambda at: (logits[at], at))[: min(keep, limit)]
    assert order(reranker.rank("q", [str(at) for at in range(len(logits))])) == wanted
