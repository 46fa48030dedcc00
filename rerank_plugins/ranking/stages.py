"""What a ranking asks of its models, stage by stage, and the rankings that come of the answers.

`rankings` is a generator: it yields what to score and is sent the scores, so blocking and async
calls share it.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.calibration.curves import Curve
from rerank_plugins.checks.values import as_number
from rerank_plugins.errors import InvalidInputError, UnsupportedOptionError
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import option
from rerank_plugins.messages.values import described
from rerank_plugins.ranking.order import best_first, ranked_list
from rerank_plugins.ranking.requests import Request
from rerank_plugins.ranking.settings import Settings, Weight
from rerank_plugins.ranking.spans import Spans
from rerank_plugins.results import PairScores, RankedList
from rerank_plugins.scoring.answers import NO_SCORES
from rerank_plugins.scoring.contract import Scorer
from rerank_plugins.work import Work, total_work


@dataclass(frozen=True, slots=True)
class Stage:
    """One model of a cascade.

    Attributes:
        scorer: The model.
        keep: How many passages of each query go on to the next stage; `None` for the last stage.
        weight: The weight of the first stage's bonus.
    """

    scorer: Scorer
    keep: int | None
    weight: Weight


@dataclass(frozen=True, slots=True)
class Call:
    """Pairs to be scored by a scorer.

    Attributes:
        scorer: The scorer.
        pairs: The pairs.
        counts: Whether they count in its statistics, which are of candidates.
    """

    scorer: Scorer
    pairs: list[tuple[str, str]]
    counts: bool = True


def rankings(
    stages: Sequence[Stage], requests: Sequence[Request], settings: Settings
) -> Generator[Call, PairScores, list[RankedList]]:
    """Yields one call per stage, takes its scores, and returns one ranking per request.

    A last call is for the sentences of the results, if their spans are asked for.

    Within a time budget the passages of all requests are asked for in turns, so that the end of the
    time finds each request as far as the others.

    Raises:
        InvalidInputError: The calibration belongs to other scores.
        UnsupportedOptionError: The weight or the calibration is `"auto"`, and the model has none.
    """
    fields = [_Field(request) for request in requests]
    work: list[Work | None] = []
    for stage in stages:
        owners, pairs = _pairs(fields, in_turns=settings.time_budget is not None)
        scores = yield Call(stage.scorer, pairs)
        work.append(scores.work)
        weight = _weight(stage, scores)
        for each, part in zip(fields, _parts(owners, len(fields)), strict=True):
            each.take(scores, part, weight)
            if stage.keep is not None:
                each.keep(stage.keep)
    scored = any(len(each.scores.logits) for each in fields)
    curve = named_curve(stages[-1], settings) if scored else None
    found = [each.ranking(settings, curve) for each in fields]
    if settings.spans or settings.compression is not None:
        spans = Spans(requests, found, settings)
        if spans.pairs:
            scores = yield Call(stages[-1].scorer, spans.pairs, counts=False)
            work.append(scores.work)
            spans.put(scores)
    for ranking in found:
        ranking.work = total_work(work)
    return found


def weight_of(stage: Stage) -> float | None:
    """The stage's weight, which is the one that its model names if it is `"auto"`.

    Raises:
        UnsupportedOptionError: It is `"auto"`, and the model names none.
        InvalidInputError: A scorer of one's own names something else than a weight.
    """
    return _named_weight(stage.scorer) if stage.weight == "auto" else stage.weight


def named_curve(stage: Stage, settings: Settings) -> Curve | None:
    """The curve of the calibrated scale, for the last stage; `None` where no scale needs it.

    Raises:
        InvalidInputError: The calibrations belong to other scores.
        UnsupportedOptionError: The model has no calibration, or names no weight.
    """
    if settings.calibrator is None or not settings.is_calibrated:
        return None
    return settings.calibrator.curve(stage.scorer, weight_of(stage))


def _weight(stage: Stage, scores: PairScores) -> float | None:
    """`weight_of` the stage; a model that scored nothing may not be loaded, and is not asked."""
    if not len(scores.logits) or (scores.scored is not None and not scores.scored.any()):
        return None
    return weight_of(stage)


def _named_weight(scorer: Scorer) -> float:
    weight = scorer.first_stage_weight
    if weight is None:
        message = (
            f"{scorer.name!r} names no first_stage_weight, so "
            f"{option('first_stage_weight', 'auto')} has nothing to take. Give a number such as "
            f"{option('first_stage_weight', 1.5)}; `{command('rerank')} eval --fuse` finds it on "
            "your own questions."
        )
        raise UnsupportedOptionError(message)
    number = as_number(weight)
    if not 0.0 <= number < math.inf:
        message = (
            f"The scorer {scorer.name!r} must name first_stage_weight as a finite number >= "
            f"0, but names {described(weight)}. Set it to a number such as 1.5, or give "
            f"{option('first_stage_weight', 1.5)}."
        )
        raise InvalidInputError(message)
    return number


@dataclass(slots=True)
class _Field:
    """One request's passages that are still in the race.

    Attributes:
        request: The request.
        positions: Where they stand among all of its passages, in the order to be read.
        scores: What the last model said of them.
        fused: What orders them; `None` if that is the logits.
        unscored: Positions that the end of the time left without a score.
        read: How many each stage read.
    """

    request: Request
    positions: NDArray[np.intp] = field(init=False)
    scores: PairScores = NO_SCORES
    fused: NDArray[np.float64] | None = None
    unscored: tuple[int, ...] = ()
    read: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.positions = np.arange(len(self.request.passages))

    def take(
        self, scores: PairScores, part: slice | NDArray[np.intp], weight: float | None
    ) -> None:
        """Takes a stage's scores of these passages; those without a score leave the race."""
        self.scores = scores.at(part)
        if (scored := self.scores.scored) is not None:
            self.unscored = (*self.positions[~scored].tolist(), *self.unscored)
            self._select(scored)
        self.fused = None
        if weight is not None:
            self.fused = self._logits() + weight * self.request.bonus()[self.positions]
        self.read = (*self.read, len(self.positions))

    def keep(self, count: int) -> None:
        """Keeps the best, in the order in which the next stage is to read them."""
        order = best_first(self.positions, self._logits() if self.fused is None else self.fused)
        self._select(order[:count])

    def _select(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> None:
        self.positions, self.scores = self.positions[chosen], self.scores.at(chosen)

    def _logits(self) -> NDArray[np.float64]:
        return self.scores.logits.astype(np.float64)

    def ranking(self, settings: Settings, curve: Curve | None) -> RankedList:
        return ranked_list(
            self.positions,
            self.scores,
            self.fused,
            unscored=self.unscored,
            read=self.read if self.request.passages else (),
            settings=settings,
            curve=curve,
        )


def _pairs(
    fields: Sequence[_Field], *, in_turns: bool
) -> tuple[NDArray[np.intp], list[tuple[str, str]]]:
    """The pairs to score, and the number of the request that each belongs to."""
    sizes = [len(each.positions) for each in fields]
    owners = np.repeat(np.arange(len(fields)), sizes)
    pairs = [
        (each.request.query, each.request.passages[position])
        for each in fields
        for position in each.positions.tolist()
    ]
    if not in_turns or len(fields) < 2:
        return owners, pairs
    places = np.concatenate([np.arange(size) for size in sizes])
    turns = np.argsort(places, kind="stable")
    return owners[turns], [pairs[at] for at in turns.tolist()]


def _parts(owners: NDArray[np.intp], count: int) -> list[NDArray[np.intp]]:
    """For each request, where its pairs stand among all, in its own order."""
    if count == 1:
        return [np.arange(len(owners))]
    ends = np.bincount(owners, minlength=count).cumsum()
    return np.split(np.argsort(owners, kind="stable"), ends)[:count]
