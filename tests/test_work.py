"""What an answer took: the tokens that were read, and where the time went."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rerank_plugins import CrossEncoderScorer, PairScores, Reranker, Scorer, Work
from rerank_plugins.scoring.answers import answer
from rerank_plugins.testing import DeterministicScorer
from rerank_plugins.work import total_work
from tests.tiny_models import save_tiny_chat_model

QUERY = "Why does bread dough rise?"
PASSAGES = ["Copper roofs turn green.", "Yeast makes gas, which lifts the dough.", ""]
LONG = "Yeast makes gas. " * 200


@pytest.fixture(scope="module")
def scorer() -> Iterator[CrossEncoderScorer]:
    with CrossEncoderScorer("embedded", long_passages="truncate") as scorer:
        scorer.warm_up()
        yield scorer


def tokens_of(scorer: CrossEncoderScorer, *passages: str) -> int:
    """How many tokens the model's own tokenizer makes of pairs, cut to what the model reads."""
    backend = scorer._shared.engine.backends[0]
    description = backend.description  # type: ignore[attr-defined]
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(description.tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(description.default_length)
    return sum(len(tokenizer.encode(QUERY, passage)) for passage in passages)


def work_of(scorer: Scorer, *passages: str) -> Work:
    work = answer(scorer, [(QUERY, passage) for passage in passages]).work
    assert work is not None
    return work


def test_tokens_are_those_of_the_pairs_after_they_are_cut(scorer: CrossEncoderScorer) -> None:
    assert work_of(scorer, *PASSAGES).tokens == tokens_of(scorer, *PASSAGES)
    assert work_of(scorer, LONG).tokens == tokens_of(scorer, LONG)
    assert work_of(scorer, *PASSAGES, *PASSAGES).tokens == tokens_of(scorer, *PASSAGES)


def test_all_windows_of_a_passage_are_counted(scorer: CrossEncoderScorer) -> None:
    with CrossEncoderScorer("embedded", long_passages="windows", window_tokens=64) as windows:
        assert work_of(windows, PASSAGES[0]).tokens == tokens_of(scorer, PASSAGES[0])
        wanted = 800  # at least those of the passage, which has 4 in each sentence
        assert (work_of(windows, LONG).tokens or 0) > wanted


def test_a_ranking_adds_up_what_all_of_its_models_read(scorer: CrossEncoderScorer) -> None:
    plain = Reranker(scorer).rank(QUERY, PASSAGES[:2])
    assert plain.work is not None
    assert plain.work.tokens == tokens_of(scorer, *PASSAGES[:2])
    cascade = Reranker(scorer, cascade=[{"scorer": scorer, "keep": 1}]).rank(QUERY, PASSAGES[:2])
    best = PASSAGES[plain[0].index]
    assert cascade.work is not None
    assert cascade.work.tokens == tokens_of(scorer, *PASSAGES[:2], best)
    spans = Reranker(scorer, spans=True, top_k=1).rank(QUERY, PASSAGES[:2])
    assert spans.work is not None
    assert spans.work.tokens == tokens_of(scorer, *PASSAGES[:2], best)  # it is one sentence
    both = Reranker(scorer).rank_many([QUERY, QUERY], [PASSAGES[:1], PASSAGES[1:2]])
    assert [one.work and one.work.tokens for one in both] == [plain.work.tokens] * 2
    assert Reranker(scorer).rank(QUERY, []).work == Work()


def test_kept_scores_cost_no_tokens(tmp_path: Path, scorer: CrossEncoderScorer) -> None:
    with CrossEncoderScorer(
        "embedded", long_passages="truncate", score_cache=tmp_path / "scores"
    ) as cached:
        assert work_of(cached, PASSAGES[0]).tokens == tokens_of(scorer, PASSAGES[0])
        assert work_of(cached, *PASSAGES).tokens == tokens_of(scorer, *PASSAGES[1:])
        assert work_of(cached, *PASSAGES) == Work()


def test_within_a_time_budget_only_what_has_a_score_counts(scorer: CrossEncoderScorer) -> None:
    passages = [f"{number} {LONG}" for number in range(200)]
    ranking = Reranker(scorer, time_budget=0.2).rank(QUERY, passages)
    scored = [passages[one.index] for one in ranking]
    assert len(scored) < 200
    assert ranking.work is not None
    assert ranking.work.tokens == tokens_of(scorer, *scored)


def test_times_are_those_of_the_engine(scorer: CrossEncoderScorer) -> None:
    work = work_of(scorer, *PASSAGES, LONG)
    assert work.tokenizing > 0
    assert work.scoring > 0
    assert work.waiting >= 0


def test_a_model_that_builds_its_own_input_hides_its_tokens(tmp_path: Path) -> None:
    model = save_tiny_chat_model(tmp_path)
    for long_passages in ("truncate", "windows"):
        with CrossEncoderScorer(model, long_passages=long_passages) as scorer:  # type: ignore[arg-type]
            work = work_of(scorer, PASSAGES[0])
            assert work.tokens is None
            assert work.scoring > 0


def test_a_scorer_of_ones_own_may_say_it_or_not() -> None:
    assert Reranker(DeterministicScorer()).rank(QUERY, PASSAGES).work is None
    mixed = DeterministicScorer(), CrossEncoderScorer("embedded")
    with mixed[1]:
        cascade = Reranker(mixed[0], cascade=[{"scorer": mixed[1], "keep": 1}])
        assert cascade.rank(QUERY, PASSAGES).work is None


def test_a_selection_of_scores_has_no_work_of_its_own() -> None:
    scores = PairScores([1.0, 2.0], work=Work(tokens=7))
    assert scores.at(np.array([0])).work is None


def test_work_adds_up() -> None:
    one, other = Work(1, 1.0, 2.0, 3.0), Work(2, 1.0, 1.0, 1.0)
    assert total_work([one, other]) == Work(3, 2.0, 3.0, 4.0)
    assert total_work([one, Work(None), other]) == Work(None, 2.0, 3.0, 4.0)
    assert total_work([one, None]) is None
