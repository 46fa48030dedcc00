"""Reranks the first stage's candidates with several scorers and measures each order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.collection import JudgedCollection
from rerank_plugins.evaluation.first_stage import Candidates, check_passages
from rerank_plugins.evaluation.measures import (
    MEASURES,
    Change,
    change,
    check_grades,
    measure,
    measure_names,
    recall_name,
)
from rerank_plugins.evaluation.timing import (
    Ask,
    Latency,
    ScoreFunction,
    latency,
    scorer_function,
    timed_answer,
)
from rerank_plugins.formats.qrels import check_judgements
from rerank_plugins.formats.trec_scores import tied
from rerank_plugins.scoring.contract import Scorer


@dataclass(frozen=True)
class Order:
    """One order of the candidates, and how good it is.

    Attributes:
        name: The name of the first stage or of the scorer.
        run: Query id to passage id to score.
        values: Measure to query id to value.
        seconds: Query id to the seconds that scoring took; empty for the first stage.
        cut: The number of candidates, over all queries, that the scorer, or the last of its stages,
            read only in part, because they are too long; `None` if not known.
        read: Query id to the number of passages that each stage read; empty for a scorer of one
            stage, which reads all.
        scorer: The name of the scorer whose scores it is made of; empty for the first stage.
    """

    name: str
    run: Candidates
    values: Mapping[str, Mapping[str, float]]
    seconds: Mapping[str, float]
    cut: int | None = None
    read: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    scorer: str = ""

    @property
    def pairs(self) -> int:
        """The number of candidates, over all queries."""
        return sum(map(len, self.run.values()))

    @property
    def pairs_per_stage(self) -> tuple[float, ...]:
        """The mean number of passages per query that each stage read; `()` for one stage."""
        return tuple(fmean(stage) for stage in zip(*self.read.values(), strict=True))

    @property
    def read_last(self) -> int:
        """The number of candidates, over all queries, that the last stage read."""
        return sum(self.read.get(query, (len(ids),))[-1] for query, ids in self.run.items())

    @property
    def cut_share(self) -> float | None:
        """The share of `read_last` that was read only in part, from 0 to 1."""
        return None if self.cut is None else self.cut / max(1, self.read_last)

    def mean(self, name: str) -> float:
        """The mean of a measure over all queries."""
        return fmean(self.values[name].values())

    @property
    def ties(self) -> int:
        """The number of candidates whose score, in single precision, equals an earlier one."""
        return sum(tied(scores.values()) for scores in self.run.values())

    def latency(self) -> Latency:
        """Percentiles over the queries that had candidates."""
        pairs = {name: sum(self.read.get(name, [len(ids)])) for name, ids in self.run.items()}
        return latency(self.seconds, pairs)


@dataclass(frozen=True)
class Comparison:
    """A collection's candidates as the first stage and as each scorer orders them.

    Attributes:
        collection: The collection that was searched.
        depth: The number of candidates per query that the first stage was asked for.
        first_stage: The first stage's order.
        reranked: The scorers' orders.
    """

    collection: JudgedCollection
    depth: int
    first_stage: Order
    reranked: list[Order]

    @property
    def measures(self) -> list[str]:
        """Names of the measures; changes are reported in the first one."""
        return list(self.first_stage.values)

    @property
    def judged(self) -> dict[str, Mapping[str, int]]:
        """The judgements of the queries that were asked."""
        judgements = self.collection.judgements
        return {query_id: judgements[query_id] for query_id in self.collection.queries}

    def order(self, name: str) -> Order:
        """A scorer's order, by its name.

        Raises:
            InvalidInputError: No scorer has that name.
        """
        for each in self.reranked:
            if each.name == name:
                return each
        names = ", ".join(repr(each.name) for each in self.reranked) or "none"
        message = f"there is no scorer {name!r} in the comparison, which has {names}."
        raise InvalidInputError(message)

    def against_first_scorer(self, name: str) -> dict[str, Change]:
        """The change of a measure from the first scorer to each other scorer, by its name."""
        first, *others = self.reranked
        return {other.name: change(first.values[name], other.values[name]) for other in others}

    @property
    def notes(self) -> list[str]:
        """Facts about the candidates and their scores that affect the figures, as sentences."""
        sentences = []
        asked, identical = len(self.collection.queries), len(self.collection.identical)
        if identical:
            kept = "they stay among" if self.collection.keep_identical else "they are left out of"
            sentences.append(
                f"Queries that are passages themselves, by id and text, and not judged relevant: "
                f"{identical} of {asked}; {kept} their own candidates."
            )
        if self.unanswered:
            sentences.append(
                f"The first stage found nothing for {self.unanswered} of {asked} queries; they "
                "count as 0."
            )
        tied = [f"{each.ties} by {each.name}" for each in (self.first_stage, *self.reranked)]
        if any(each.ties for each in (self.first_stage, *self.reranked)):
            sentences.append(
                f"Scores equal to one before them, of {self.first_stage.pairs}: {', '.join(tied)}. "
                "Scorers leave equal ones in the first stage's order."
            )
        return sentences

    @property
    def ceiling(self) -> float:
        """The share of relevant passages that are candidates: no order of them finds more."""
        return self.first_stage.mean(recall_name(self.depth))

    @property
    def unanswered(self) -> int:
        """The number of queries for which the first stage found nothing; they count as 0."""
        return sum(not self.first_stage.run.get(name) for name in self.collection.queries)


def compare(
    collection: JudgedCollection,
    candidates: Candidates,
    scorers: Mapping[str, Scorer | ScoreFunction],
    *,
    depth: int = 100,
    first_stage: str = "BM25",
    measures: Sequence[str] = MEASURES,
    ask: Ask = timed_answer,
    on_query: Callable[[], object] = lambda: None,
) -> Comparison:
    """Returns the first stage's order and one order per scorer.

    Every scorer answers a query before the next query begins, so a slow spell of the machine
    affects all of them. The scorers take turns to start, because the first one finds cold caches.

    Args:
        collection: The collection to search.
        candidates: The first stage's candidates. A query that is also a passage is removed from its
            own candidates, unless the collection keeps it.
        scorers: Name to a scorer, or to a function `(query, passages) -> scores`, higher is better.
            At least one.
        depth: The number of candidates per query that the first stage was asked for.
        first_stage: The first stage's name.
        measures: Measures in the notation of ir-measures, the most important first; recall at
            `depth` is added.
        ask: Calls a scorer; a `ScoreStore` calls it only for answers that it does not have.
        on_query: Called after each query of each scorer, for a progress bar.

    Raises:
        InvalidInputError: There is no scorer, a scorer does not return one score per passage, a
            measure is unknown or does not take a relevance that occurs, a query is not judged, a
            relevance is not valid, or the collection lacks a candidate.
    """
    if not scorers:
        message = (
            "compare() needs at least one scorer beside the first stage, and got none. Pass, for "
            'example, {"embedded": CrossEncoderScorer("embedded")}.'
        )
        raise InvalidInputError(message)
    names = measure_names(depth, measures)
    unjudged = [name for name in collection.queries if name not in collection.judgements]
    if unjudged:
        message = (
            f"{len(unjudged)} queries of {collection.name} are not judged, for example "
            f"{unjudged[0]!r}; judged_collection() leaves such queries out."
        )
        raise InvalidInputError(message)
    judgements = check_judgements(
        collection.name, {name: collection.judgements[name] for name in collection.queries}
    )
    check_grades(collection, names)
    for query_id in collection.queries:
        check_passages(collection, query_id, candidates.get(query_id, {}))
    before = {
        query_id: collection.candidates(query_id, candidates.get(query_id, {}).items())
        for query_id in collection.queries
    }
    runs: dict[str, Candidates] = {name: {} for name in scorers}
    seconds: dict[str, dict[str, float]] = {name: {} for name in scorers}
    cut: dict[str, int | None] = dict.fromkeys(scorers, 0)
    read: dict[str, dict[str, tuple[int, ...]]] = {name: {} for name in scorers}
    turns = [
        (name, scorer_function(scorer) if isinstance(scorer, Scorer) else scorer)
        for name, scorer in scorers.items()
    ]
    for query_id, query in collection.queries.items():
        ids = list(before[query_id])
        passages = [collection.passages[passage_id] for passage_id in ids]
        for name, score in turns:
            answer = ask(name, score, query, passages)
            seconds[name][query_id] = answer.seconds
            runs[name][query_id] = dict(zip(ids, answer.scores, strict=True))
            if passages:
                cut[name] = _added(cut[name], answer.cut)
            if answer.read:
                read[name][query_id] = answer.read
            on_query()
        turns.append(turns.pop(0))
    return Comparison(
        collection,
        depth,
        Order(first_stage, before, measure(judgements, before, names), {}),
        [
            Order(
                name,
                runs[name],
                measure(judgements, runs[name], names),
                seconds[name],
                cut[name],
                read[name],
                name,
            )
            for name in scorers
        ],
    )


def _added(total: int | None, more: int | None) -> int | None:
    """The sum, or `None` if one of the two is not known."""
    return None if total is None or more is None else total + more
