"""What a scorer may answer, and what it may be asked: one rule for every way of asking."""

import asyncio
import copy
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    Reranker,
    Scorer,
    ScoringError,
)
from rerank_plugins.results import PairScores
from rerank_plugins.testing import DeterministicScorer
from tests.tiny_models import save_tiny_cross_encoder

PAIRS = [("red fox", "the fox"), ("sea", "a river")]

WAYS: dict[str, Callable[[Scorer], object]] = {
    "score": lambda scorer: scorer.score("sea", ["fox", "river"]),
    "score_pairs": lambda scorer: scorer.score_pairs(PAIRS),
    "ascore": lambda scorer: asyncio.run(scorer.ascore("sea", ["fox", "river"])),
    "ascore_pairs": lambda scorer: asyncio.run(scorer.ascore_pairs(PAIRS)),
    "rank": lambda scorer: Reranker(scorer).rank("sea", ["fox", "river"]),
    "arank": lambda scorer: asyncio.run(Reranker(scorer).arank("sea", ["fox", "river"])),
    "reranker's score_pairs": lambda scorer: Reranker(scorer).score_pairs(PAIRS),
}


@pytest.fixture(scope="module")
def broken_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose head holds no numbers."""
    folder = save_tiny_cross_encoder(tmp_path_factory.mktemp("broken"))
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"] = torch.full_like(weights["classifier.bias"], float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_asking_gives_what_is_no_number(broken_model: Path, way: str) -> None:
    with (
        CrossEncoderScorer(broken_model, backend="torch") as scorer,
        pytest.raises(ScoringError, match=r"The model gave nan .*weights are broken"),
    ):
        WAYS[way](scorer)


class OwnScorer(Scorer):
    """A user's scorer, which answers with what it was made with."""

    def __init__(self, answer: Callable[[], object]) -> None:
        self._answer = answer

    def submit(self, pairs: Sequence[tuple[str, str]]) -> "Future[PairScores]":
        future: Future[PairScores] = Future()
        future.set_result(self._answer())
        return future


@pytest.mark.parametrize("way", WAYS)
def test_a_list_of_numbers_will_do_as_logits(way: str) -> None:
    scorer = OwnScorer(lambda: PairScores([1, 2.5], truncated=[False, True]))
    assert WAYS[way](scorer) is not None
    scores = scorer.score_pairs(PAIRS)
    assert scores.dtype == np.float32
    assert [ranked.truncated for ranked in Reranker(scorer).rank("q", ["a", "b"])] == [True, False]


@pytest.mark.parametrize(
    ("logits", "truncated", "told"),
    [
        (None, None, "one number per pair as logits.* got None"),
        ([[1.0], [2.0]], None, r"an array of shape \(n,\)"),
        ([1.0, "high"], None, r"one number per pair as logits.* 'high'"),
        ([1.0, 2.0], [True], "one True or False for each of the 2 pairs"),
        ([1.0, 2.0], True, "one True or False for each of the 2 pairs"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_scores_that_are_none_say_what_a_scorer_must_give(
    way: str, logits: object, truncated: object, told: str
) -> None:
    scorer = OwnScorer(lambda: PairScores(logits, truncated=truncated))
    with pytest.raises(InvalidInputError, match=told):
        WAYS[way](scorer)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", [[1.0, 2.0], PairScores([1.0]), PairScores([1e300, 0.0])])
def test_answers_of_another_form_or_size_are_errors_of_scoring(way: str, answer: object) -> None:
    with pytest.raises(ScoringError, match=r"must give|one logit per pair|are not finite"):
        WAYS[way](OwnScorer(lambda: answer))


def test_a_name_that_was_assigned_is_kept_by_copies_and_pickles(tiny_model: Path) -> None:
    with CrossEncoderScorer(tiny_model) as scorer:
        scorer.name = "our reranker"
        for made in (
            copy.copy(scorer),
            copy.deepcopy(scorer),
            pickle.loads(pickle.dumps(scorer)),
            pickle.loads(pickle.dumps(copy.copy(scorer))),
        ):
            with made:
                assert made.name == "our reranker"
                assert "our reranker" in repr(made)


@pytest.mark.parametrize("dtype", [str, object])
def test_an_array_of_pairs_is_scored_as_a_list_of_them(dtype: type) -> None:
    scorer = DeterministicScorer()
    wanted = scorer.score_pairs(PAIRS)
    for given in (np.array(PAIRS, dtype=dtype), [np.array(pair, dtype=dtype) for pair in PAIRS]):
        np.testing.assert_array_equal(scorer.score_pairs(given), wanted)
    assert {type(text) for pairs in scorer.calls for pair in pairs for text in pair} == {str}


@pytest.mark.parametrize(
    "pairs", [np.array([["a", "b", "c"]]), np.array([[1, 2]]), np.array(["a"])]
)
def test_an_array_of_something_else_is_refused(pairs: np.ndarray) -> None:
    with pytest.raises(InvalidInputError, match=r"pairs\[0\] must be a \(query, passage\) tuple"):
        DeterministicScorer().score_pairs(pairs)
