"""Order, thresholds, scales and refusals of the reranker, on a deterministic scorer."""

import asyncio
import copy
import json
import math
import pickle
import threading
from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_plugins import (
    CrossEncoderScorer,
    Identity,
    InvalidInputError,
    PairScores,
    Ranked,
    Reranker,
    Scorer,
    ScorerClosedError,
    ScoringError,
)
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.testing import DeterministicScorer


def by_table(**logits: float) -> DeterministicScorer:
    """A scorer that looks each passage's logit up."""
    return DeterministicScorer(lambda query, passage: logits[passage])


def test_best_passage_comes_first_with_a_probability() -> None:
    ranking = Reranker(by_table(a=-2.0, b=3.0, c=0.0)).rank("q", ["a", "b", "c"])
    assert [ranked.index for ranked in ranking] == [1, 2, 0]
    assert ranking[1] == Ranked(
        index=2, score=0.5, scale="probability", model_score=0.5, truncated=False
    )
    assert ranking[0].score == pytest.approx(1 / (1 + math.exp(-3.0)), abs=1e-12)


def test_logit_scale_gives_the_raw_output() -> None:
    ranking = Reranker(by_table(a=-2.5), scale="logit").rank("q", ["a"])
    assert ranking == [
        Ranked(index=0, score=-2.5, scale="logit", model_score=-2.5, truncated=False)
    ]


def test_ties_keep_first_stage_order() -> None:
    ranking = Reranker(by_table(a=1.0, b=2.0, c=1.0, d=2.0)).rank("q", list("abcd"))
    assert [ranked.index for ranked in ranking] == [1, 3, 0, 2]


def test_order_is_by_logit_where_probabilities_round_to_the_same_number() -> None:
    ranking = Reranker(by_table(a=60.0, b=90.0)).rank("q", ["a", "b"])
    assert ranking[0].score == ranking[1].score == 1.0
    assert [ranked.index for ranked in ranking] == [1, 0]


def test_extreme_logits_give_probabilities_without_overflow() -> None:
    ranking = Reranker(by_table(a=-1e5, b=1e5)).rank("q", ["a", "b"])
    assert [ranked.score for ranked in ranking] == [1.0, 0.0]


def test_threshold_keeps_scores_equal_to_it() -> None:
    reranker = Reranker(by_table(a=0.0, b=-0.1, c=0.1), score_threshold=0.5)
    assert [ranked.index for ranked in reranker.rank("q", ["a", "b", "c"])] == [2, 0]


def test_threshold_on_the_logit_scale() -> None:
    reranker = Reranker(by_table(a=-3.0, b=-5.0), score_threshold=-4, scale="logit")
    assert [ranked.index for ranked in reranker.rank("q", ["a", "b"])] == [0]


def test_another_scale_for_one_call_keeps_what_the_threshold_keeps() -> None:
    reranker = Reranker(by_table(a=0.2, b=-0.2), score_threshold=0.5)
    ranking = reranker.rank("q", ["a", "b"], scale="logit")
    assert [(ranked.index, ranked.scale) for ranked in ranking] == [(0, "logit")]
    assert ranking[0].score == pytest.approx(0.2)


def test_options_of_a_call_win_over_those_of_the_constructor() -> None:
    reranker = Reranker(by_table(a=1.0, b=2.0, c=3.0), top_k=1, score_threshold=0.9)
    ranking = reranker.rank("q", list("abc"), top_k=2, score_threshold=0.5)
    assert [ranked.index for ranked in ranking] == [2, 1]


def test_numpy_integers_are_fine_as_top_k() -> None:
    assert len(Reranker(by_table(a=1.0, b=2.0), top_k=np.int64(1)).rank("q", ["a", "b"])) == 1


def test_results_are_plain_python_and_survive_json() -> None:
    ranked = Reranker(by_table(a=1.0)).rank("q", ["a"])[0]
    assert type(ranked.index) is int
    assert type(ranked.score) is float
    assert type(ranked.truncated) is bool
    assert json.loads(json.dumps(ranked.score)) == ranked.score


def test_truncated_passages_say_so() -> None:
    reranker = Reranker(DeterministicScorer(max_words=3))
    ranking = reranker.rank("one", ["one two", "two three four"])
    assert [ranked.truncated for ranked in ranking] == [False, True]


def test_no_passages_give_an_empty_ranking_without_asking_the_scorer() -> None:
    reranker = Reranker(DeterministicScorer())
    assert reranker.rank("q", []) == []
    assert reranker.rank_many([], []) == []
    assert reranker.rank_many(["q", "r"], [[], []]) == [[], []]
    assert asyncio.run(reranker.arank("q", [])) == []
    assert asyncio.run(reranker.arank_many(["q"], [[]])) == [[]]
    assert reranker.scorer.calls == []


def test_rank_many_equals_rank_of_each_query() -> None:
    reranker = Reranker(DeterministicScorer(), top_k=2)
    queries = ["red fox", "blue", "green sea"]
    passages = [["fox", "red fox", "red"], [], ["sea", "blue sea green"]]
    one_by_one = [reranker.rank(q, p) for q, p in zip(queries, passages, strict=True)]
    assert reranker.rank_many(queries, passages) == one_by_one


async def test_async_methods_equal_the_sync_ones() -> None:
    reranker = Reranker(DeterministicScorer(), top_k=2)
    passages = ["fox", "red fox", "red"]
    assert await reranker.arank("red fox", passages) == reranker.rank("red fox", passages)
    many = (["red", "fox"], [passages, passages])
    assert await reranker.arank_many(*many) == reranker.rank_many(*many)
    pairs = [("red fox", passage) for passage in passages]
    assert await reranker.ascore_pairs(pairs) == reranker.score_pairs(pairs)
    assert await reranker.ascore_pairs([]) == reranker.score_pairs([]) == []


class LaterScorer(Scorer):
    """Answers when told to."""

    name = "later"

    def __init__(self) -> None:
        self.futures: list[Future[PairScores]] = []

    def submit(self, pairs: object) -> "Future[PairScores]":
        self.futures.append(Future())
        return self.futures[-1]


async def test_the_event_loop_runs_while_arank_waits() -> None:
    scorer = LaterScorer()
    waiting = asyncio.create_task(Reranker(scorer).arank("q", ["a"]))
    while not scorer.futures:
        await asyncio.sleep(0)  # only a free loop gets here again, to answer
    scorer.futures[0].set_result(PairScores(np.array([1.0], dtype=np.float32)))
    assert [ranked.truncated for ranked in await waiting] == [None]


async def test_a_cancelled_request_cancels_its_work_and_no_other() -> None:
    scorer = LaterScorer()
    reranker = Reranker(scorer)
    first, second = (asyncio.create_task(reranker.arank("q", ["a"])) for _ in range(2))
    while len(scorer.futures) < 2:
        await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert scorer.futures[0].cancelled()
    scorer.futures[1].set_result(PairScores(np.array([1.0], dtype=np.float32)))
    assert len(await second) == 1


async def test_a_scorer_that_cancels_what_it_took_is_an_error_and_cancels_no_task() -> None:
    scorer = LaterScorer()
    reranker = Reranker(scorer)
    waiting = asyncio.create_task(reranker.arank("q", ["a"]))
    threaded = asyncio.create_task(asyncio.to_thread(reranker.rank, "q", ["a"]))
    while len(scorer.futures) < 2:
        await asyncio.sleep(0.01)
    for future in scorer.futures:
        future.cancel()
    for call in (waiting, threaded):
        with pytest.raises(ScoringError, match="cancelled a call that it had taken"):
            await call


@pytest.mark.parametrize("top_k", [0, -1, 1.5, "3", True, float("nan")])
def test_a_top_k_that_is_not_a_positive_integer_is_refused(top_k: object) -> None:
    with pytest.raises(InvalidInputError, match="top_k must be > 0"):
        Reranker(DeterministicScorer(), top_k=top_k)
    with pytest.raises(InvalidInputError, match="top_k must be > 0"):
        Reranker(DeterministicScorer()).rank("q", [], top_k=top_k)


@pytest.mark.parametrize("threshold", [float("nan"), "0.5", True, None.__class__, object()])
def test_a_threshold_that_is_not_a_number_is_refused(threshold: object) -> None:
    with pytest.raises(InvalidInputError, match="score_threshold must be a number"):
        Reranker(DeterministicScorer(), score_threshold=threshold)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, 5])
def test_a_threshold_outside_the_probabilities_points_to_logits(threshold: float) -> None:
    with pytest.raises(InvalidInputError, match="scale='logit'"):
        Reranker(DeterministicScorer(), score_threshold=threshold)
    Reranker(DeterministicScorer(), score_threshold=threshold, scale="logit")


@pytest.mark.parametrize("scale", ["raw", "", 1, ["logit"]])
def test_an_unknown_scale_is_refused(scale: object) -> None:
    with pytest.raises(InvalidInputError, match="'probability', 'logit' or 'calibrated'"):
        Reranker(DeterministicScorer(), scale=scale)


@pytest.mark.parametrize("query", [None, 3, b"bytes", ["q"]])
def test_a_query_that_is_not_a_string_is_refused(query: object) -> None:
    with pytest.raises(InvalidInputError, match="query must be a string"):
        Reranker(DeterministicScorer()).rank(query, ["a"])


@pytest.mark.parametrize("passages", [None, "one passage", 3, b"bytes"])
def test_passages_that_are_not_a_list_are_refused(passages: object) -> None:
    with pytest.raises(InvalidInputError, match="passages must be a list of strings"):
        Reranker(DeterministicScorer()).rank("q", passages)


def test_a_passage_that_is_not_a_string_is_named_by_position() -> None:
    with pytest.raises(InvalidInputError, match=r"passages\[1\] must be a string"):
        Reranker(DeterministicScorer()).rank("q", ["a", None])


@pytest.mark.parametrize(("queries", "passages"), [(["q"], []), ("q", [["a"]]), (["q"], "a")])
def test_queries_and_passages_that_do_not_fit_are_refused(
    queries: object, passages: object
) -> None:
    with pytest.raises(InvalidInputError, match="queries and passages must"):
        Reranker(DeterministicScorer()).rank_many(queries, passages)


def test_something_else_than_a_scorer_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="scorer must be a Scorer"):
        Reranker("cross-encoder/ms-marco-MiniLM-L4-v2")


def test_flat_options_make_a_cross_encoder_scorer_or_use_the_one_given() -> None:
    made = Reranker.from_options(model="embedded", max_length=20, top_k=3)
    assert made.scorer.name == "embedded"
    given = DeterministicScorer()
    reranker = Reranker.from_options(scorer=given, max_length=None, top_k=1)
    assert reranker.scorer is given
    assert len(reranker.rank("q", ["a", "b"])) == 1


def test_score_pairs_gives_scaled_floats_in_the_order_of_the_pairs() -> None:
    pairs = [("q", "a"), ("q", "b"), ("other", "a")]
    reranker = Reranker(by_table(a=0.0, b=-2.0), top_k=1, score_threshold=0.9)
    assert reranker.score_pairs(pairs) == [0.5, pytest.approx(1 / (1 + math.exp(2.0))), 0.5]
    with pytest.raises(InvalidInputError, match=r"pairs\[0\]"):
        reranker.score_pairs(["ab"])


def test_a_scorer_together_with_model_options_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match="scorer= and model=, max_length= exclude"):
        Reranker.from_options(scorer=DeterministicScorer(), model="embedded", max_length=20)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_model_that_gives_no_number_is_an_error_not_a_ranking(bad: float) -> None:
    with pytest.raises(ScoringError, match="not finite"):
        Reranker(by_table(a=1.0, b=bad)).rank("q", ["a", "b"])


def test_a_scorer_that_gives_too_few_logits_is_an_error() -> None:
    scorer = LaterScorer()
    scorer.submit = lambda pairs: DeterministicScorer().submit(pairs[:1])
    with pytest.raises(ScoringError, match="one logit per pair"):
        Reranker(scorer).rank("q", ["a", "b"])


def test_what_the_scorer_raises_reaches_the_caller() -> None:
    def fail(query: str, passage: str) -> float:
        raise ZeroDivisionError(passage)

    with pytest.raises(ZeroDivisionError):
        Reranker(DeterministicScorer(fail)).rank("q", ["a"])


def test_a_reranker_can_be_pickled_copied_and_closed() -> None:
    reranker = Reranker(DeterministicScorer(), top_k=1, scale="logit")
    for copied in (pickle.loads(pickle.dumps(reranker)), copy.deepcopy(reranker)):
        assert copied.rank("fox", ["dog", "fox"]) == reranker.rank("fox", ["dog", "fox"])
    with reranker as same:
        same.warm_up()
    assert not reranker.scorer.closed


async def test_a_reranker_closes_the_scorer_that_it_made_and_no_other() -> None:
    own = DeterministicScorer()
    async with Reranker.from_options(scorer=own):
        pass
    assert not own.closed
    made = Reranker.from_options(model="embedded")
    async with made:
        await made.arank("q", ["a"])
    with pytest.raises(ScorerClosedError):
        made.rank("q", ["a"])
    with Reranker.from_options(model="embedded") as sync:
        assert sync.rank("q", ["a"])
    with pytest.raises(ScorerClosedError):
        sync.scorer.score("q", ["a"])


def test_a_reranker_shows_its_options() -> None:
    reranker = Reranker(CrossEncoderScorer("embedded"), top_k=3, scale="logit")
    assert (reranker.top_k, reranker.score_threshold, reranker.scale) == (3, None, "logit")
    assert repr(reranker) == (
        "Reranker(CrossEncoderScorer('embedded', backend='auto'), top_k=3, score_threshold=None, "
        "scale='logit')"
    )


async def test_none_for_one_call_means_all_and_leaving_it_out_the_rerankers_own() -> None:
    reranker = Reranker(DeterministicScorer(), top_k=1, score_threshold=0.9)
    passages = ["red fox", "fox", "red fox again", "sea"]
    assert [ranked.index for ranked in reranker.rank("red fox", passages)] == [0]
    for options, found in (
        ({"top_k": None}, [0, 2]),
        ({"score_threshold": None}, [0]),
        ({"top_k": None, "score_threshold": None}, [0, 2, 1, 3]),
    ):
        ranking = reranker.rank("red fox", passages, **options)
        assert [ranked.index for ranked in ranking] == found
        assert await reranker.arank("red fox", passages, **options) == ranking
        many = (["red fox"], [passages])
        assert reranker.rank_many(*many, **options) == [ranking]
        assert await reranker.arank_many(*many, **options) == [ranking]


@settings(deadline=None)
@given(
    st.lists(st.integers(-8, 8).map(float), max_size=12),
    st.none() | st.integers(1, 14),
    st.none() | st.floats(0, 1),
)
def test_every_ranking_is_a_sorted_selection_with_the_right_scores(
    logits: list[float], top_k: int | None, threshold: float | None
) -> None:
    passages = [str(position) for position in range(len(logits))]
    scorer = DeterministicScorer(lambda query, passage: logits[int(passage)])
    ranking = Reranker(scorer, top_k=top_k, score_threshold=threshold).rank("q", passages)
    expected = sorted(range(len(logits)), key=lambda index: (-logits[index], index))
    probability = [float(np.exp(-np.logaddexp(0.0, -logit))) for logit in logits]
    kept = [index for index in expected if threshold is None or probability[index] >= threshold]
    assert [ranked.index for ranked in ranking] == kept[:top_k]
    assert [ranked.score for ranked in ranking] == [probability[index] for index in kept[:top_k]]


async def test_awarm_up_reads_the_calibration_off_the_loop() -> None:
    asked: list[threading.Thread] = []

    class Known(DeterministicScorer):
        """Notes which thread asks for its identity."""

        @property
        def identity(self) -> Identity:
            asked.append(threading.current_thread())
            return Identity("a scorer of our own")

    options = {
        "calibration": str(EMBEDDED_FOLDER / "rerank_calibration.json"),
        "scale": "calibrated",
    }
    with pytest.raises(InvalidInputError, match="has no calibration of these scores"):
        await Reranker(Known(), **options).awarm_up()
    assert asked
    assert threading.main_thread() not in asked


async def test_a_scorers_own_warm_up_is_what_awarm_up_runs_off_the_loop() -> None:
    threads: list[int] = []

    class Warming(DeterministicScorer):
        def warm_up(self) -> None:
            threads.append(threading.get_ident())

    await Reranker(Warming()).awarm_up()
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_rank_many_takes_iterators_as_rank_does() -> None:
    reranker = Reranker(DeterministicScorer())
    queries, passages = ["red fox", "sea"], [["fox", "red fox"], ["dog", "sea"]]
    found = reranker.rank_many(iter(queries), (iter(texts) for texts in passages))
    assert found == reranker.rank_many(queries, passages)
    for bad in ((None, passages), (queries, 7), (b"ab", passages)):
        with pytest.raises(InvalidInputError, match="queries and passages must be lists"):
            reranker.rank_many(*bad)


@pytest.mark.parametrize("scorer", [None, DeterministicScorer()])
def test_an_option_that_no_model_has_is_refused_by_name(scorer: Scorer | None) -> None:
    with pytest.raises(InvalidInputError, match=r"foo= cannot be used here.* model, revision"):
        Reranker.from_options(scorer=scorer, foo=1)


def test_numbers_that_no_float_can_hold_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="between 0 and 1"):
        Reranker(DeterministicScorer(), score_threshold=10**400)
    with pytest.raises(InvalidInputError, match="seconds > 0"):
        Reranker.from_options(model="embedded", timeout=10**400)
