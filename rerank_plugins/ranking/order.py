"""Turns logits into an order, and puts scores on a scale."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.calibration.curves import Curve
from rerank_plugins.ranking.settings import Settings
from rerank_plugins.results import PairScores, Ranked, RankedList, ResultScale, ScoreScale


def best_first(positions: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.intp]:
    """The places of n values, the highest first; of equal ones the lower position first."""
    return np.lexsort((positions, -values))


def ranked_list(
    positions: NDArray[np.intp],
    scores: PairScores,
    fused: NDArray[np.float64] | None,
    *,
    unscored: tuple[int, ...],
    read: tuple[int, ...],
    settings: Settings,
    curve: Curve | None,
) -> RankedList:
    """One query's ranking of n scored passages.

    Args:
        positions: Where they stand among all passages.
        scores: What the model said of them.
        fused: What orders; `None` if that is the logits.
        unscored: As in `RankedList`.
        read: As in `RankedList`.
        settings: What to keep, and the scale.
        curve: What calibrates that which orders; `None` where no scale needs it.
    """
    logits = scores.logits.astype(np.float64)
    ordering = logits if fused is None else fused
    order = best_first(positions, ordering)
    if settings.score_threshold is not None:
        scale = settings.threshold_scale
        tested = on_scale(ordering if scale == "calibrated" else logits, scale, curve)
        order = order[tested[order] >= settings.score_threshold]
    order = order[: settings.top_k]
    calibrated = settings.scale == "calibrated"
    said = on_scale(logits[order], "probability" if calibrated else settings.scale).tolist()
    shown = on_scale(ordering[order], settings.scale, curve).tolist()
    if settings.score_threshold is not None:
        backfill: tuple[int, ...] = ()
    else:
        room = None if settings.top_k is None else settings.top_k - len(order)
        backfill = unscored[:room]
    facts = scores.at(order)
    kind: ResultScale = settings.scale if fused is None or calibrated else "fused"
    return RankedList(
        (
            Ranked(index, score, kind, model_score, truncated, windows, window and tuple(window))
            for index, score, model_score, truncated, windows, window in zip(
                positions[order].tolist(),
                shown,
                said,
                *(
                    _of_each(fact, len(order))
                    for fact in (facts.truncated, facts.windows, facts.best)
                ),
                strict=True,
            )
        ),
        unscored=unscored,
        backfill=backfill,
        read=read,
    )


def _of_each(fact: NDArray[Any] | None, count: int) -> list[Any]:
    """What a scorer says of each passage, as Python's own values; `None` for all if it does not."""
    return [None] * count if fact is None else fact.tolist()


def scores_on_scale(
    scores: PairScores, scale: ScoreScale, curve: Curve | None = None
) -> list[float]:
    """The scores of pairs on a scale, in their order."""
    values: list[float] = on_scale(scores.logits.astype(np.float64), scale, curve).tolist()
    return values


def on_scale(
    logits: NDArray[np.float64], scale: ScoreScale, curve: Curve | None = None
) -> NDArray[np.float64]:
    """Logits as they are, their sigmoid, or what the curve of the calibrated scale says."""
    if scale == "calibrated" and curve is not None:
        return curve(logits)
    return logits if scale == "logit" else _sigmoid(logits)


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) without overflow: exp(-log(1 + exp(-x)))."""
    probabilities: NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -logits))
    return probabilities
