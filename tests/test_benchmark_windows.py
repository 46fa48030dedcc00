"""Long passages ranked by windows: the benchmark scores what the library would score."""

from pathlib import Path

import pytest

from benchmarks import windows
from rerank_plugins import CrossEncoderScorer, Passage
from rerank_plugins.backends.folders.description import describe_folder
from rerank_plugins.evaluation import read_collection
from rerank_plugins.evaluation.timing import timed_answer
from rerank_plugins.formats.runs import write_run
from rerank_plugins.tokens.pairs import PairTokenizer
from tests.test_evaluation import write_collection

LONG = " ".join(f"the red fox runs {number} times, and the sea is blue." for number in range(40))


@pytest.fixture
def tokenizer(tiny_model: Path) -> PairTokenizer:
    description = describe_folder(tiny_model, "tiny")
    return PairTokenizer(description.tokenizer, max_length=description.limit)


@pytest.mark.parametrize("tokens", [None, 16])
def test_the_best_window_scores_what_the_library_scores(
    tiny_model: Path, tokenizer: PairTokenizer, tokens: int | None
) -> None:
    passages = [Passage(LONG, header="Foxes: "), Passage("a fox")]
    cut = windows.cut_into_windows(tokenizer, "red fox", passages, tokens)
    assert len(cut[0]) > 2
    assert all(window.header == "Foxes: " for window in cut[0])
    assert cut[1] == ["a fox"]
    with (
        CrossEncoderScorer(tiny_model, long_passages="truncate") as cutting,
        CrossEncoderScorer(tiny_model, long_passages="windows", window_tokens=tokens) as in_windows,
    ):
        best = [max(cutting.score("red fox", texts)) for texts in cut]
        assert in_windows.score("red fox", passages) == pytest.approx(best, abs=1e-5)


def test_windows_of_a_passage_count_in_other_ways_than_by_the_best() -> None:
    scores = {name: by([1.0, 3.0, 2.0]) for name, by in windows.BY.items()}
    assert scores == pytest.approx(
        {"best": 3.0, "best two": 2.5, "log of sum": 3.4076, "best less length": 2.4507}, abs=1e-4
    )
    assert {name: by([1.0]) for name, by in windows.BY.items()} == dict.fromkeys(windows.BY, 1.0)


def test_each_way_ranks_the_same_candidates(
    tiny_model: Path, tokenizer: PairTokenizer, tmp_path: Path
) -> None:
    folder = write_collection(tmp_path / "one")
    collection = read_collection(folder)
    found = windows.candidates_of(folder, collection, depth=10)
    with CrossEncoderScorer(tiny_model, long_passages="truncate") as scorer:
        measured = windows.Measured(tokenizer, scorer.score, [8, 0], ["best", "best two"], 1e6)
        values = measured.values(collection, found, timed_answer)
    ways = ["cut", "8 tokens", "8 tokens, best two", "all tokens", "all tokens, best two"]
    assert [way for way in values if "first stage" not in way] == ways
    assert all(values[f"{way} + first stage"] == values["first stage"] for way in ways)
    assert values["cut"] == values["all tokens"], "every passage fits"
    assert measured.note("all tokens").endswith("1.0 windows per passage")
    assert measured.note("first stage") == ""


def test_candidates_that_lie_beside_a_collection_are_ranked(tmp_path: Path) -> None:
    folder = write_collection(tmp_path / "one")
    collection = read_collection(folder)
    query, *_ = collection.queries
    given = dict.fromkeys(list(collection.passages)[:3], 0.0)
    write_run({query: given}, folder / "candidates.trec")
    found = windows.candidates_of(folder, collection, depth=2)
    assert {name: list(each) for name, each in found.items()} == {query: list(given)[:2]}
