"""The parts of the results that answer, and texts shortened to them."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    PairScores,
    Passage,
    Ranked,
    Reranker,
    Scorer,
    ScoringTimeoutError,
    Span,
)
from rerank_plugins.ranking import spans
from rerank_plugins.results import kept_text
from rerank_plugins.testing import DeterministicScorer, SlowScorer
from rerank_plugins.texts.sentences import short_spans

QUERY = "When does the museum open?"
MUSEUM = (
    "Museums are old. Ours was built in 1900. The museum opens at nine every day.\n\n"
    "Dogs may not enter. There is a shop. It sells books."
)
SHOP = "The shop closes late. It has bread."


@pytest.fixture(scope="module")
def scorer() -> Iterator[CrossEncoderScorer]:
    with CrossEncoderScorer("embedded") as scorer:
        yield scorer


class Noted(Scorer):
    """Scores a text by the numbers in it, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        self.asked.append([passage for _, passage in pairs])
        future: Future[PairScores] = Future()
        future.set_result(PairScores([_numbers(passage) for _, passage in pairs]))
        return future


def _numbers(text: str) -> float:
    found = [float(word.strip(".")) for word in text.split() if word.strip(".").isdecimal()]
    return sum(found) / max(1, len(found))


def texts(passage: str, ranked: Ranked) -> list[str]:
    return [passage[span.start : span.end] for span in ranked.spans]


def test_the_span_of_a_result_is_its_sentence_that_answers(scorer: CrossEncoderScorer) -> None:
    passages = [SHOP, MUSEUM]
    ranking = Reranker(scorer, spans=True).rank(QUERY, passages)
    best = ranking[0]
    assert best.index == 1
    assert texts(MUSEUM, best) == ["The museum opens at nine every day."]
    assert [len(ranked.spans) for ranked in ranking] == [1, 1]
    assert best.kept is None
    plain = Reranker(scorer).rank(QUERY, passages)
    assert [one.score for one in plain] == [one.score for one in ranking]
    assert all(one.spans == () for one in plain)


def test_spans_come_best_first_and_not_more_than_asked_for(scorer: CrossEncoderScorer) -> None:
    reranker = Reranker(scorer, spans=True, max_spans=2)
    (ranked,) = reranker.rank(QUERY, [MUSEUM])
    assert len(ranked.spans) == 2
    assert ranked.spans[0].score > ranked.spans[1].score
    (ranked,) = reranker.rank(QUERY, [MUSEUM], max_spans=99)
    assert sorted(texts(MUSEUM, ranked), key=MUSEUM.index) == [
        "Museums are old.",
        "Ours was built in 1900.",
        "The museum opens at nine every day.",
        "Dogs may not enter.",
        "There is a shop.",
        "It sells books.",
    ]
    (ranked,) = reranker.rank(QUERY, [MUSEUM], spans=False)
    assert ranked.spans == ()


def test_places_of_spans_do_not_count_the_header_which_each_is_read_with() -> None:
    scorer = Noted()
    passage = Passage("Take 1. Take 9. Take 2.", header="Numbers\n", footer=" end")
    (ranked,) = Reranker(scorer, spans=True, scale="logit").rank("number", [passage])
    assert texts(passage.text, ranked) == ["Take 9."]
    assert scorer.asked[1] == [
        "Numbers\nTake 1. end",
        "Numbers\nTake 9. end",
        "Numbers\nTake 2. end",
        "Numbers\nTake 1. Take 9. Take 2. end",
    ]


def test_a_span_scores_half_alone_and_half_with_its_paragraph() -> None:
    text = "Take 1. Take 9.\n\nTake 4."
    (ranked,) = Reranker(Noted(), spans=True, max_spans=3, scale="logit").rank("number", [text])
    assert ranked.spans == (
        Span(8, 15, 9 / 2 + 5 / 2),
        Span(17, 24, 4.0),
        Span(0, 7, 1 / 2 + 5 / 2),
    )


def test_spans_are_on_the_scale_that_was_asked_for(scorer: CrossEncoderScorer) -> None:
    reranker = Reranker(scorer, spans=True)
    (logit,) = reranker.rank(QUERY, [MUSEUM], scale="logit")
    (probability,) = reranker.rank(QUERY, [MUSEUM])
    expected = 1 / (1 + np.exp(-logit.spans[0].score))
    assert probability.spans[0].score == pytest.approx(expected, abs=1e-9)
    calibrated = Reranker(scorer, spans=True, calibration="auto", scale="calibrated")
    (calibrated_result,) = calibrated.rank(QUERY, [MUSEUM])
    assert calibrated_result.spans == probability.spans  # a calibration is for passages


def test_only_what_is_returned_is_read_again() -> None:
    scorer = Noted()
    passages = ["Take 1. And 2.", "Take 8. And 9.", "Take 5. And 6."]
    ranking = Reranker(scorer, spans=True, top_k=1).rank("number", passages)
    assert [ranked.index for ranked in ranking] == [1]
    assert scorer.asked == [passages, ["Take 8.", "And 9.", "Take 8. And 9."]]
    assert Reranker(scorer, spans=True, score_threshold=1.0).rank("number", ["Take 1."]) == []
    assert len(scorer.asked) == 3


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_text_without_a_sentence_has_no_span(text: str) -> None:
    (ranked,) = Reranker(Noted(), spans=True, compress="spans").rank("number", [text])
    assert (ranked.spans, ranked.kept) == ((), None)


def test_code_and_other_long_sentences_are_read_in_pieces() -> None:
    lines = [f"x{number} = [1, 2, 3]" for number in range(100)]
    lines[70] += " + 99"
    (ranked,) = Reranker(Noted(), spans=True).rank("number", ["\n".join(lines)])
    (span,) = texts("\n".join(lines), ranked)
    assert "+ 99" in span
    assert len(span) <= 500
    assert span.splitlines() == [line for line in lines if line in span]
    (ranked,) = Reranker(Noted(), spans=True).rank("number", ["x" * 1_200])
    assert ranked.spans[0].end == 500


def test_the_model_that_ranked_last_finds_the_spans_in_a_cascade() -> None:
    small, large = Noted(), Noted()
    reranker = Reranker(large, cascade=[{"scorer": small, "keep": 1}], spans=True)
    reranker.rank("number", ["Take 1. And 2.", "Take 8. And 9."])
    assert [len(asked) for asked in small.asked] == [2]
    assert [len(asked) for asked in large.asked] == [1, 3]


def test_many_queries_and_async_calls_get_the_same_spans(scorer: CrossEncoderScorer) -> None:
    reranker = Reranker(scorer, spans=True, compress="spans")
    expected = [reranker.rank(QUERY, [MUSEUM, SHOP]), reranker.rank("bread", [SHOP])]
    queries, passages = [QUERY, "bread"], [[MUSEUM, SHOP], [SHOP]]
    many = reranker.rank_many(queries, passages)
    amany = asyncio.run(reranker.arank_many(queries, passages))
    for found in (many, amany):
        for one, other in zip(found, expected, strict=True):
            assert [(r.index, r.kept) for r in one] == [(r.index, r.kept) for r in other]
            assert [(s.start, s.end) for r in one for s in r.spans] == [
                (s.start, s.end) for r in other for s in r.spans
            ]
    assert asyncio.run(reranker.arank(QUERY, [MUSEUM]))[0].spans == expected[0][0].spans


@pytest.mark.parametrize("space", ["\t", "\r", "\xa0", "\u3000"], ids=ascii)
def test_long_pieces_are_cut_in_no_word(space: str) -> None:
    text = space.join(f"column{n}" for n in range(200))
    words = [word for start, end in short_spans(text) for word in text[start:end].split(space)]
    assert words == text.split(space)


@pytest.mark.parametrize("options", [{"spans": True}, {"compress": "spans"}], ids=str)
def test_sentences_are_looked_for_beside_the_event_loop(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    def noted(text: str) -> Iterator[tuple[int, int]]:
        threads.add(threading.current_thread())
        return short_spans(text)

    monkeypatch.setattr(spans, "short_spans", noted)
    ranking = asyncio.run(Reranker(DeterministicScorer(), **options).arank(QUERY, [MUSEUM]))
    assert ranking[0].spans or ranking[0].kept
    assert len(threads) == 1
    assert threading.current_thread() not in threads


def test_a_spent_time_budget_leaves_results_without_spans() -> None:
    passages = ["One red fox. Two dogs.", "A cat. A red cat."]
    scorer = SlowScorer(seconds_per_pair=0.02)
    reranker = Reranker(scorer, spans=True, compress="spans", time_budget=0.05)
    start = time.monotonic()
    ranking = reranker.rank("red fox", passages)
    assert time.monotonic() - start < 1
    assert all(ranked.spans == () and ranked.kept is None for ranked in ranking[1:])
    full = Reranker(SlowScorer(seconds_per_pair=0.0), spans=True, time_budget=60)
    assert all(len(ranked.spans) == 1 for ranked in full.rank("red fox", passages))


def test_a_time_limit_is_for_the_ranking_and_its_spans_together() -> None:
    reranker = Reranker(SlowScorer(seconds_per_pair=0.05), spans=True)
    with pytest.raises(ScoringTimeoutError, match=r"All that a ranking asks for shares timeout=0"):
        reranker.rank("red fox", ["One red fox. Two dogs. " * 50], timeout=0.2)


def kept(text: str, **options: Any) -> str:
    (ranked,) = Reranker(Noted(), compress="spans", **options).rank("number", [text])
    return kept_text(text, ranked)


def test_compress_keeps_what_scores_well_between_the_worst_and_the_best_of_the_text() -> None:
    text = "Take 0.\n\nTake 9.\n\nTake 2.\n\nTake 7.\n\nTake 6."
    assert kept(text) == "Take 9. … Take 7.\n\nTake 6."
    assert kept("Take 5.") == "Take 5."
    assert kept("Take 5. Take 5.") == "Take 5. Take 5."


def test_compress_keeps_what_reaches_a_threshold_and_the_best_in_any_case() -> None:
    text = "Take 0.\n\nTake 9.\n\nTake 2."
    assert kept(text, compress_threshold=2, scale="logit") == "Take 9.\n\nTake 2."
    assert kept(text, compress_threshold=99, scale="logit") == "Take 9."
    assert kept(text, compress_threshold=0.99) == "Take 9."
    assert kept(text, compress_threshold=1) == "Take 9."
    assert kept(text, compress_threshold=0) == text


def test_compress_keeps_neighbours_in_the_paragraph_if_it_is_asked_to() -> None:
    text = "Take 0. Take 0. Take 99. Take 0. Take 0.\n\nTake 0."
    options = {"compress_threshold": 40, "scale": "logit"}
    assert kept(text, **options) == "Take 99."
    assert kept(text, **options, compress_neighbours=True) == "Take 0. Take 99. Take 0."
    text = "Take 0.\n\nTake 99.\n\nTake 0."
    assert kept(text, **options, compress_neighbours=True) == "Take 99."


def test_compress_keeps_what_was_not_read() -> None:
    unread = " ".join(f"Take {number}." for number in range(300, 340))
    text = "Take 5. " + "Take 0. " * 299 + unread + " "
    options = {"compress_threshold": 5, "scale": "logit"}
    assert kept(text, **options) == f"Take 5. … {unread}"
    assert kept(text, compress_threshold=0, scale="logit") == text.strip()
    assert kept("Take 5. " + "Take 0. " * 299, **options) == "Take 5."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_spans": 2}, "max_spans=2 goes with spans=True, which is not given. Give it, or"),
        ({"max_spans": 0, "spans": True}, "max_spans must be > 0, but got 0. Pass a whole number."),
        ({"spans": "yes"}, "spans must be True or False"),
        ({"compress": "sentences"}, "compress must be one of 'spans', but got 'sentences'"),
        ({"compress_threshold": 0.5}, "compress_threshold goes with compress='spans', which is"),
        ({"compress_neighbours": True}, "compress_neighbours goes with compress='spans', which"),
        (
            {"compress": "spans", "compress_threshold": 3},
            "compress_threshold must be between 0 and 1 on the probability scale, but got 3.0. For "
            "a threshold on raw model outputs, set scale='logit'",
        ),
    ],
)
def test_options_that_do_nothing_or_cannot_be_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Reranker(DeterministicScorer(), **options)
    assert message in str(caught.value)


def test_a_call_that_asks_for_several_spans_asks_for_spans() -> None:
    reranker = Reranker(DeterministicScorer())
    with pytest.raises(InvalidInputError, match="max_spans=3 goes with spans=True"):
        reranker.rank("a", ["b"], max_spans=3)
    assert (
        len(reranker.rank("a", ["A dog barks. A cat sleeps."], max_spans=3, spans=True)[0].spans)
        == 2
    )
