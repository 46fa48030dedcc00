"""Two-stage search over the demo corpus, with times: BM25 finds, the reranker orders."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from rerank_plugins.demo import DemoPassage, DemoQuestion
from rerank_plugins.reranker import Reranker
from rerank_plugins.retrieval.bm25 import Bm25Search

DEPTH = 30
"""Passages of the first stage to rerank."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that both stages have scored.

    Attributes:
        passage: The passage.
        place: Its place in the first stage, from 1.
        bm25: Its score in the first stage.
        score: Its probability from the reranker.
    """

    passage: DemoPassage
    place: int
    bm25: float
    score: float


@dataclass(frozen=True, slots=True)
class Search:
    """The results of one query before and after reranking, and the seconds of each stage."""

    before: list[Candidate]
    after: list[Candidate]
    search_seconds: float
    rerank_seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A question of the demo and its search results."""

    question: DemoQuestion
    search: Search

    @property
    def place_before(self) -> int | None:
        """The right passage's place in the first stage, or `None` if it was not found."""
        return _place(self.search.before, self.question.answer)

    @property
    def place_after(self) -> int | None:
        """The right passage's place after reranking."""
        return _place(self.search.after, self.question.answer)


@dataclass(frozen=True, slots=True)
class Summary:
    """Measured figures over all questions.

    Attributes:
        first: How often the right passage comes first, before and after.
        reciprocal_rank: Mean reciprocal rank of the right passage (0 if not found).
        questions: Number of questions.
        missed: Number of questions for which the first stage did not find the right passage.
        pairs: Number of scored pairs.
        search_seconds: Median seconds of the first stage per query.
        rerank_seconds: Median seconds of the reranker per query.
        pairs_per_second: Pairs per second of the reranker, over all queries.
    """

    first: tuple[int, int]
    reciprocal_rank: tuple[float, float]
    questions: int
    missed: int
    pairs: int
    search_seconds: float
    rerank_seconds: float
    pairs_per_second: float


class TwoStages:
    """BM25 and a reranker over the same passages.

    Args:
        passages: The passages to search; their titles are part of the text.
        reranker: The second stage.
    """

    def __init__(self, passages: Sequence[DemoPassage], reranker: Reranker) -> None:
        self._passages = passages
        self._texts = [f"{passage.title} {passage.text}" for passage in passages]
        self._bm25 = Bm25Search(self._texts)
        self._reranker = reranker

    def search(self, query: str, depth: int = DEPTH) -> Search:
        """Returns the passages for a query, in the order of each stage."""
        start = time.perf_counter()
        hits = self._bm25.search(query, depth)
        found = time.perf_counter()
        ranking = self._reranker.rank(
            query, [self._texts[hit.index] for hit in hits], scale="probability"
        )
        end = time.perf_counter()
        after = [
            Candidate(
                self._passages[hits[ranked.index].index],
                place=ranked.index + 1,
                bm25=hits[ranked.index].score,
                score=ranked.score,
            )
            for ranked in ranking
        ]
        before = sorted(after, key=lambda candidate: candidate.place)
        return Search(before, after, found - start, end - found)


def summarize(answers: Sequence[Answer]) -> Summary:
    """Returns the figures over the answers, of which there must be at least one."""
    befores = [answer.place_before for answer in answers]
    afters = [answer.place_after for answer in answers]
    pairs = sum(len(answer.search.after) for answer in answers)
    seconds = [answer.search.rerank_seconds for answer in answers]
    return Summary(
        first=(befores.count(1), afters.count(1)),
        reciprocal_rank=(_mean_reciprocal_rank(befores), _mean_reciprocal_rank(afters)),
        questions=len(answers),
        missed=befores.count(None),
        pairs=pairs,
        search_seconds=median(answer.search.search_seconds for answer in answers),
        rerank_seconds=median(seconds),
        pairs_per_second=pairs / max(sum(seconds), 1e-9),
    )


def _mean_reciprocal_rank(places: Sequence[int | None]) -> float:
    return fmean(0.0 if place is None else 1 / place for place in places)


def _place(candidates: list[Candidate], passage: str) -> int | None:
    for place, candidate in enumerate(candidates, start=1):
        if candidate.passage.id == passage:
            return place
    return None
