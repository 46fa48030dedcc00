"""Turns logits into rankings: checked options, the pairs of several queries, order and scale."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.checks.values import check_scale, check_threshold, check_top_k
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.values import described
from rerank_plugins.results import PairScores, Ranked, ScoreScale
from rerank_plugins.scoring.inputs import check_passages, check_query


class NotGiven(Enum):
    """The type of `NOT_GIVEN`, for an argument whose `None` means something."""

    NOT_GIVEN = "not given"

    def __repr__(self) -> str:
        return self.name


NOT_GIVEN: Final = NotGiven.NOT_GIVEN
"""The value of an argument that was left out."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Checked options of a ranking: which passages to keep, and the scale of their scores."""

    top_k: int | None
    score_threshold: float | None
    threshold_scale: ScoreScale
    scale: ScoreScale

    @classmethod
    def checked(cls, *, top_k: object, score_threshold: object, scale: object) -> "Cut":
        """Checks the options.

        Raises:
            InvalidInputError: An option is not allowed.
        """
        checked_scale = check_scale(scale)
        return cls(
            top_k=check_top_k(top_k),
            score_threshold=check_threshold(score_threshold, checked_scale),
            threshold_scale=checked_scale,
            scale=checked_scale,
        )

    def changed(self, *, top_k: object, score_threshold: object, scale: object) -> "Cut":
        """Returns these options with the given arguments replaced.

        A threshold stays on the scale that was set together with it. A call that asks for logits
        therefore keeps the same passages under a threshold of the constructor.

        Raises:
            InvalidInputError: An option is not allowed.
        """
        new_scale = self.scale if scale is None else check_scale(scale)
        own_threshold = score_threshold is NOT_GIVEN
        return Cut(
            top_k=self.top_k if top_k is NOT_GIVEN else check_top_k(top_k),
            score_threshold=(
                self.score_threshold
                if own_threshold
                else check_threshold(score_threshold, new_scale)
            ),
            threshold_scale=self.threshold_scale if own_threshold else new_scale,
            scale=new_scale,
        )

    def on_scale(self, scores: PairScores) -> list[float]:
        """The scores of all pairs on the chosen scale, in their order."""
        values: list[float] = _on_scale(scores.logits.astype(np.float64), self.scale).tolist()
        return values


@dataclass(frozen=True, slots=True)
class Batch:
    """The pairs of several queries in one list, and how many belong to each."""

    pairs: list[tuple[str, str]]
    sizes: list[int]

    @classmethod
    def of(cls, queries_with_passages: Iterable[tuple[object, object]]) -> "Batch":
        """Checks the queries and passages and pairs them.

        Raises:
            InvalidInputError: A query or a passage is not a string.
        """
        batch = cls(pairs=[], sizes=[])
        for query, passages in queries_with_passages:
            checked_query, checked_passages = check_query(query), check_passages(passages)
            batch.pairs.extend((checked_query, passage) for passage in checked_passages)
            batch.sizes.append(len(checked_passages))
        return batch

    def rankings(self, scores: PairScores, cut: Cut) -> list[list[Ranked]]:
        """Returns one ranking per query from the n checked scores."""
        rankings, start = [], 0
        for size in self.sizes:
            rankings.append(_ranking(scores, slice(start, start + size), cut))
            start += size
        return rankings


def _ranking(scores: PairScores, part: slice, cut: Cut) -> list[Ranked]:
    """One query's ranking."""
    logits = scores.logits[part].astype(np.float64)
    values = _on_scale(logits, cut.scale)
    order = np.argsort(-logits, kind="stable")
    if cut.score_threshold is not None:
        order = order[_on_scale(logits, cut.threshold_scale)[order] >= cut.score_threshold]
    order = order[: cut.top_k]
    truncated = None if scores.truncated is None else scores.truncated[part]
    return [
        Ranked(
            index=index,
            score=value,
            scale=cut.scale,
            model_score=value,
            truncated=None if truncated is None else bool(truncated[index]),
        )
        for index, value in zip(order.tolist(), values[order].tolist(), strict=True)
    ]


def _on_scale(logits: NDArray[np.float64], scale: ScoreScale) -> NDArray[np.float64]:
    return _sigmoid(logits) if scale == "probability" else logits


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) without overflow: exp(-log(1 + exp(-x)))."""
    probabilities: NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -logits))
    return probabilities


def requests(
    queries: Iterable[str], passages: Iterable[Iterable[str]]
) -> list[tuple[str, Iterable[str]]]:
    """Returns m (query, passages) requests.

    Raises:
        InvalidInputError: An argument is not a list, or the lengths differ.
    """
    if any(isinstance(g, (str, bytes)) or not isinstance(g, Iterable) for g in (queries, passages)):
        message = (
            "queries and passages must be lists, one list of passages per query, but got "
            f"{described(queries)} and {described(passages)}."
        )
        raise InvalidInputError(message)
    queries, passages = list(queries), list(passages)
    if len(queries) != len(passages):
        message = (
            f"queries and passages must have the same length, but got {len(queries)} queries "
            f"and {len(passages)} lists of passages."
        )
        raise InvalidInputError(message)
    return list(zip(queries, passages, strict=True))
