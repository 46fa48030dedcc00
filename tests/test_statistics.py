"""What a scorer says of its work: pairs scored, and pairs that the model read only in part."""

import asyncio
import copy
import pickle
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    PairScores,
    Reranker,
    Scorer,
    Statistics,
)
from rerank_plugins.testing import DeterministicScorer

SHORT, LONG = "red fox", "the red fox is fast " * 10


def test_a_scorer_counts_pairs_and_those_that_were_cut_whichever_way_they_were_scored() -> None:
    scorer = DeterministicScorer(max_words=8)
    reranker = Reranker(scorer, top_k=1)
    assert scorer.statistics == Statistics(pairs=0, truncated=0)
    scorer.score("red", [SHORT, LONG])
    scorer.score_pairs([("red", LONG)])
    asyncio.run(scorer.ascore("red", [SHORT, LONG]))
    asyncio.run(scorer.ascore_pairs([("red", LONG)]))
    assert scorer.statistics == Statistics(pairs=6, truncated=4)
    reranker.rank("red", [SHORT, LONG])
    reranker.rank_many(["red", "fox"], [[SHORT, LONG], [LONG]])
    reranker.score_pairs([("red", SHORT)])
    asyncio.run(reranker.arank("red", [SHORT, LONG]))
    asyncio.run(reranker.arank_many(["red"], [[LONG]]))
    asyncio.run(reranker.ascore_pairs([("red", SHORT)]))
    assert scorer.statistics == Statistics(pairs=16, truncated=9)


def test_a_cross_encoder_counts_what_its_results_call_truncated(tiny_model: Path) -> None:
    with CrossEncoderScorer(tiny_model, max_length=12) as scorer:
        found = Reranker(scorer).rank("red", [SHORT, LONG, SHORT, LONG])
        assert scorer.statistics == Statistics(pairs=4, truncated=sum(r.truncated for r in found))
        assert scorer.statistics.truncated == 2


def test_the_sentences_that_are_read_again_for_spans_are_not_counted() -> None:
    scorer = DeterministicScorer(max_words=8)
    reranker = Reranker(scorer, spans=True, compress="spans")
    passages = [f"{SHORT}. It sleeps.", LONG]
    (first, _) = reranker.rank("red", passages)
    asyncio.run(reranker.arank("red", passages))
    assert first.spans
    assert scorer.statistics == Statistics(pairs=4, truncated=2)


def test_scorers_that_share_a_model_count_each_its_own(tiny_model: Path) -> None:
    with CrossEncoderScorer(tiny_model) as one, CrossEncoderScorer(tiny_model) as other:
        one.score("red", [SHORT])
        assert (one.statistics.pairs, other.statistics.pairs) == (1, 0)


def test_calls_of_many_threads_are_all_counted() -> None:
    scorer = DeterministicScorer(max_words=8)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: scorer.score("red", [SHORT, LONG]), range(400)))
    assert scorer.statistics == Statistics(pairs=800, truncated=400)


class Silent(Scorer):
    """Does not tell what it cut."""

    def __init__(self) -> None:
        """Calls no other constructor."""

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        future: Future[PairScores] = Future()
        future.set_result(PairScores(np.zeros(len(pairs), dtype=np.float32)))
        return future


def test_a_scorer_that_does_not_tell_what_it_cut_has_no_number_of_it() -> None:
    scorer = Silent()
    scorer.score("red", [SHORT])
    assert scorer.statistics == Statistics(pairs=1, truncated=None)


def test_a_call_that_fails_is_not_counted() -> None:
    def broken(query: str, passage: str) -> float:
        message = "no scores today"
        raise ValueError(message)

    scorer = DeterministicScorer(broken)
    with pytest.raises(ValueError, match="no scores today"):
        scorer.score("red", [SHORT])
    with pytest.raises(InvalidInputError):
        scorer.score("red", [None])
    assert scorer.statistics == Statistics()


def test_copies_of_a_scorer_begin_at_zero_and_pickles_too() -> None:
    scorer = DeterministicScorer()
    scorer.score("red", [SHORT])
    for copied in (copy.deepcopy(scorer), pickle.loads(pickle.dumps(scorer))):
        assert copied.statistics == Statistics()
        copied.score("red", [SHORT, SHORT])
        assert (copied.statistics.pairs, scorer.statistics.pairs) == (2, 1)
