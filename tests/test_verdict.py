"""Does reranking help: the words say what the figures say, and how sure they are."""

from collections.abc import Mapping

import pytest

from rerank_plugins.evaluation import Comparison, JudgedCollection, Verdict, overall, verdict
from rerank_plugins.evaluation.comparison import Order
from rerank_plugins.evaluation.verdict import share

Values = list[float]


def order(
    name: str, values: Values, *, ceiling: float = 1.0, seconds: float = 0.25, **more: int
) -> Order:
    by_query = {f"q{n}": value for n, value in enumerate(values)}
    return Order(
        name,
        {query_id: {"a": 2.0, "b": 1.0} for query_id in by_query},
        {"nDCG@10": by_query, "R@20": dict.fromkeys(by_query, ceiling)},
        dict.fromkeys(by_query, seconds),
        more.get("cut"),
    )


def compared(before: Values, *scorers: Order, name: str = "birds", **more: float) -> Comparison:
    queries = {f"q{n}": "which" for n in range(len(before))}
    judged: Mapping[str, Mapping[str, int]] = {name: {"a": 1} for name in queries}
    collection = JudgedCollection(name, {"a": "x", "b": "y"}, queries, judged)
    return Comparison(collection, 20, order("bm25", before, **more), list(scorers))


def moved(*, up: int = 0, down: int = 0, by: float = 0.2, of: int = 60) -> Values:
    """Values that were all 0.5."""
    return [0.5 + by] * up + [0.5 - by] * down + [0.5] * (of - up - down)


BEFORE = [0.5] * 60


def test_a_clear_gain_is_a_yes_with_its_size_its_queries_and_its_cost() -> None:
    found = verdict(compared(BEFORE, order("new", moved(up=40, down=5))))
    assert found == Verdict(
        "yes",
        "Yes: reranking helps on birds.",
        (
            "new raises nDCG@10 from 50.0 to 61.7 (+11.7, p < 0.001).",
            "Of 60 queries, 40 won (a better order), 5 lost (a worse one), 15 tied.",
            "Reranking takes 250 ms per query (median) for up to 20 candidates.",
        ),
    )
    assert found.text.startswith("Yes: reranking helps on birds. new raises nDCG@10")


def test_a_gain_of_less_than_a_point_is_a_little() -> None:
    found = verdict(compared(BEFORE, order("new", moved(up=50, by=0.01))))
    assert found.headline == "Yes, a little: reranking helps on birds."


def test_a_clear_loss_is_a_no() -> None:
    found = verdict(compared(BEFORE, order("new", moved(up=5, down=40))))
    assert found.answer == "worse"
    assert found.headline == "No: reranking makes the order worse on birds."
    assert found.reasons[0] == "new lowers nDCG@10 from 50.0 to 38.3 (-11.7, p < 0.001)."


def test_a_difference_that_may_be_luck_is_no_answer() -> None:
    found = verdict(compared(BEFORE, order("new", moved(up=8, down=6))))
    assert found.answer == "unclear"
    assert found.headline == "Not shown: the difference on birds may be luck."
    assert "More queries would tell." in found.reasons


def test_an_order_that_is_as_good_as_before_changes_nothing() -> None:
    found = verdict(compared(BEFORE, order("new", BEFORE)))
    assert (found.answer, found.headline) == ("same", "No: reranking changes nothing on birds.")
    assert found.reasons[0] == "new leaves nDCG@10 as it is (+0.0, p = 1.000)."


def test_where_nothing_relevant_is_among_the_candidates_there_is_no_answer() -> None:
    nothing = [0.0] * 60
    found = verdict(compared(nothing, order("new", nothing, ceiling=0.0), ceiling=0.0))
    assert found.answer == "unknown"
    assert found.headline == (
        "No answer: nothing that is judged relevant is among the candidates on birds."
    )


@pytest.mark.parametrize(("queries", "said"), [(49, True), (50, False)])
def test_few_queries_are_a_hint_only(queries: int, said: bool) -> None:
    before = [0.5] * queries
    text = verdict(compared(before, order("new", moved(up=40, of=queries)))).text
    assert ("There are only 49 queries: take the answer as a hint" in text) is said


def test_fewer_than_six_queries_can_never_rule_out_luck() -> None:
    found = verdict(compared([0.5] * 5, order("new", moved(up=5, of=5))))
    assert found.answer == "unclear"
    assert "Fewer than 6 queries that moved cannot rule out luck." in found.reasons


def test_the_best_of_several_must_be_surer_because_it_was_picked() -> None:
    lucky = order("lucky", moved(up=8, down=1))  # p of about 0.04
    assert verdict(compared(BEFORE, lucky)).answer == "yes"
    found = verdict(compared(BEFORE, lucky, order("x", BEFORE), order("y", BEFORE)))
    assert found.answer == "unclear"
    assert "One of 3 orders was picked, so p would have to be 0.017 or less." in found.reasons


def test_the_best_of_several_is_named_and_compared_with_the_next() -> None:
    good = order("good", moved(up=40), seconds=1.5)
    near = order("near", moved(up=39), seconds=0.5)
    found = verdict(compared(BEFORE, order("bad", moved(down=9)), near, good))
    told = "good, the best of 3 orders, raises nDCG@10 from 50.0 to 63.3"
    assert found.reasons[0].startswith(told)
    assert found.reasons[-1] == (
        "The next best, near, has 63.0 and takes 500 ms; the difference between the two may be "
        "luck (p = 1.000)."
    )
    far = verdict(compared(BEFORE, order("far", moved(up=10)), good))
    assert far.reasons[-1].endswith("the difference between the two is more than luck (p < 0.001).")
    assert "Reranking takes 1.5 s per query (median) for up to 20 candidates." in far.reasons


def test_of_equally_good_ones_the_faster_is_the_best() -> None:
    slow, fast = (order(name, moved(up=40), seconds=s) for name, s in (("slow", 2), ("fast", 1)))
    told = verdict(compared(BEFORE, slow, fast)).reasons[0]
    assert told.startswith("fast, the best of 2 orders, ")


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (30, "new read 25% of the passages only in part: they are longer than it reads."),
        (1, "new read less than 1% of the passages only in part: they are longer than it reads."),
        (0, None),
        (None, None),
    ],
)
def test_the_share_of_cut_passages_is_said(cut: int | None, said: str | None) -> None:
    more = {} if cut is None else {"cut": cut}
    found = verdict(compared(BEFORE, order("new", moved(up=40), **more)))
    assert [reason for reason in found.reasons if "only in part" in reason] == ([said] * bool(said))


def test_passages_that_nobody_judged_may_hide_a_gain() -> None:
    comparison = compared(BEFORE, order("new", moved(down=30)))
    for scores in comparison.reranked[0].run.values():
        scores["c"] = 3.0  # judged are 1 of 2 before, and 1 of 3 after
    assert (
        "Of the first 10 after reranking, 67% are not judged (before: 50%). They count as not "
        "relevant, so it may be better than it looks."
    ) in verdict(comparison).reasons


def test_over_several_collections_each_is_named_by_what_happened_there() -> None:
    up, down = order("new", moved(up=40), cut=60), order("new", moved(down=40), cut=0)
    better, worse = compared(BEFORE, up, name="a"), compared(BEFORE, down, name="b")
    found = overall([better, compared(BEFORE, down, name="c"), worse])
    assert found.answer == "partly"
    assert found.headline == "Partly: reranking helps on a; makes the order worse on c, b."
    assert found.reasons == (
        "On the mean of the collections, new lowers nDCG@10 from 50.0 to 45.6 (-4.4).",
        "Of 180 queries, 40 won (a better order), 80 lost (a worse one), 60 tied.",
        "Reranking takes 250 ms per query (median) for up to 20 candidates.",
        "new read 17% of the passages only in part: they are longer than it reads.",
    )
    assert overall([better, better]).headline == "Yes: reranking helps on both collections."
    assert overall([worse] * 3).headline == (
        "No: reranking makes the order worse on all 3 collections."
    )
    assert overall([better]) == verdict(better)


def test_over_several_collections_the_answer_is_about_one_reranker() -> None:
    up, down, far_down = moved(up=50), moved(down=40), moved(down=50)
    one = compared(BEFORE, order("A", up), order("B", down), name="one")
    two = compared(BEFORE, order("A", far_down), order("B", up), name="two")
    assert (verdict(one).answer, verdict(two).answer) == ("yes", "yes")  # of A, and of B
    found = overall([one, two])
    assert found.answer == "partly"
    assert found.headline == (
        "Partly: reranking with B helps on two; makes the order worse on one."
    )
    assert found.reasons[0] == (
        "On the mean of the collections, B, the best of 2 orders, raises nDCG@10 from 50.0 to "
        "51.7 (+1.7)."
    )


def test_over_several_collections_too_the_best_of_several_must_be_surer() -> None:
    lucky = order("lucky", moved(up=8, down=1))  # p of about 0.04
    one = compared(BEFORE, lucky, order("x", BEFORE), order("y", BEFORE))
    assert overall([one, one]).answer == "unclear"
    assert overall([compared(BEFORE, lucky)] * 2).answer == "yes"


@pytest.mark.parametrize(
    ("kinds", "answer", "start"),
    [
        (["yes", "unclear"], "partly", "Partly"),
        (["yes", "unknown"], "partly", "Partly"),
        (["same", "worse"], "worse", "No"),
        (["same", "unclear"], "unclear", "Not shown"),
        (["unknown", "same"], "same", "No"),
        (["unknown", "unknown"], "unknown", "Not shown"),
    ],
)
def test_unlike_collections_have_one_answer(kinds: list[str], answer: str, start: str) -> None:
    nothing = [0.0] * 60
    comparisons = {
        "yes": compared(BEFORE, order("new", moved(up=40))),
        "worse": compared(BEFORE, order("new", moved(down=40))),
        "unclear": compared(BEFORE, order("new", moved(up=8, down=6))),
        "same": compared(BEFORE, order("new", BEFORE)),
        "unknown": compared(nothing, order("new", nothing, ceiling=0.0), ceiling=0.0),
    }
    found = overall([comparisons[kind] for kind in kinds])
    assert found.answer == answer
    assert found.headline.startswith(f"{start}: reranking ")


def test_many_collections_are_counted_instead_of_named() -> None:
    up, same = order("new", moved(up=40)), order("new", BEFORE)
    found = overall([*[compared(BEFORE, up)] * 4, compared(BEFORE, same, name="one")])
    assert found.headline == (
        "Partly: reranking helps on 4 of 5 collections; changes nothing on one."
    )


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (None, "not known"),
        (0.0, "0%"),
        (0.001, "less than 1%"),
        (0.25, "25%"),
        (0.9999, "more than 99%"),
        (1.0, "100%"),
    ],
)
def test_a_share_is_neither_nothing_nor_all_where_it_is_not(part: float | None, said: str) -> None:
    assert share(part) == said
