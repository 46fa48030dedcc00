"""Two-stage search over the demo corpus, with times: BM25 finds, the reranker orders."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from rerank_plugins.demo import DemoPassage, DemoQuestion
from rerank_plugins.ranking.order import on_scale
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
        logit: What the reranker's model said.
        fused: What orders where the first stage's opinion counts too.
    """

    passage: DemoPassage
    place: int
    bm25: float
    logit: float
    fused: float

    @property
    def score(self) -> float:
        """Its probability from the reranker."""
        return float(on_scale(np.array(self.logit), "probability"))


@dataclass(frozen=True, slots=True)
class Search:
    """The results of one query, and the seconds of each stage.

    Attributes:
        before: In the first stage's order.
        after: As the model orders them.
        fused: As the model and the first stage order them; `None` if the model names no weight.
        search_seconds: Of the first stage.
        rerank_seconds: Of the reranker.
    """

    before: list[Candidate]
    after: list[Candidate]
    fused: list[Candidate] | None
    search_seconds: float
    rerank_seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A question of the demo and its search results."""

    question: DemoQuestion
    search: Search

    @property
    def places(self) -> tuple[int | None, ...]:
        """The right passage's places: in the first stage, reranked, and fused if there is that.

        `None` if the first stage did not find it.
        """
        orders = (self.search.before, self.search.after, self.search.fused)
        return tuple(_place(order, self.question.answer) for order in orders if order is not None)


@dataclass(frozen=True, slots=True)
class Summary:
    """Measured figures over all questions.

    Attributes:
        first: How often the right passage comes first in each order, as in `Answer.places`.
        reciprocal_rank: Mean reciprocal rank of the right passage (0 if not found) in each order.
        questions: Number of questions.
        missed: Number of questions for which the first stage did not find the right passage.
        pairs: Number of scored pairs.
        search_seconds: Median seconds of the first stage per query.
        rerank_seconds: Median seconds of the reranker per query.
        pairs_per_second: Pairs per second of the reranker, over all queries.
    """

    first: tuple[int, ...]
    reciprocal_rank: tuple[float, ...]
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
        named = reranker.scorer.first_stage_weight
        self._weight = 0.0 if named is None else named
        self._fuses = named is not None

    def search(self, query: str, depth: int = DEPTH) -> Search:
        """Returns the passages for a query, in the order of each stage; they are scored once."""
        start = time.perf_counter()
        hits = self._bm25.search(query, depth)
        found = time.perf_counter()
        ranking = self._reranker.rank(
            query,
            [self._texts[hit.index] for hit in hits],
            scale="logit",
            first_stage_weight=self._weight,
        )
        end = time.perf_counter()
        fused = [
            Candidate(
                self._passages[hits[ranked.index].index],
                place=ranked.index + 1,
                bm25=hits[ranked.index].score,
                logit=ranked.model_score,
                fused=ranked.score,
            )
            for ranked in ranking
        ]
        before = sorted(fused, key=lambda candidate: candidate.place)
        after = sorted(before, key=lambda candidate: -candidate.logit)
        return Search(before, after, fused if self._fuses else None, found - start, end - found)


def summarize(answers: Sequence[Answer]) -> Summary:
    """Returns the figures over the answers, of which there must be at least one."""
    orders = list(zip(*(answer.places for answer in answers), strict=True))
    pairs = sum(len(answer.search.after) for answer in answers)
    seconds = [answer.search.rerank_seconds for answer in answers]
    return Summary(
        first=tuple(places.count(1) for places in orders),
        reciprocal_rank=tuple(map(_mean_reciprocal_rank, orders)),
        questions=len(answers),
        missed=orders[0].count(None),
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
