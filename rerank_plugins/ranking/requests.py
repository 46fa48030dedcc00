"""The queries of a call, each with its passages and the first stage's opinion of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.checks.cascade import check_scores_count
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.messages.values import described
from rerank_plugins.ranking.fusion import position_bonus, score_bonus
from rerank_plugins.ranking.settings import Settings
from rerank_plugins.scoring.inputs import check_passages, check_query


@dataclass(frozen=True, slots=True)
class Request:
    """A checked query and its n checked passages.

    Attributes:
        query: The query.
        passages: The passages, in first-stage order.
        by_scores: The bonus by the first stage's scores, shape `(n,)`; `None` where the places
            count.
    """

    query: str
    passages: list[str]
    by_scores: NDArray[np.float64] | None

    def bonus(self) -> NDArray[np.float64]:
        """The first stage's opinion, from 0 to 1, shape `(n,)`."""
        return position_bonus(len(self.passages)) if self.by_scores is None else self.by_scores


def request(query: object, passages: object, scores: object, settings: Settings) -> Request:
    """Checks a query with its passages, and the first stage's scores of them if they are given.

    Raises:
        InvalidInputError: The query or a passage is not a string, or a score is not a finite
            number; or scores are given that no weight makes count, or no calibration knows.
    """
    checked_query, checked_passages = check_query(query), check_passages(passages)
    if scores is None:
        return Request(checked_query, checked_passages, None)
    weight, in_stages = settings.first_stage_weight, settings.weighted_stages
    check_scores_count("first_stage_scores", weight, in_stages=in_stages)
    if settings.is_calibrated and settings.first_stage_weight is not None:
        message = (
            "A calibration knows what the places of the first stage add to a score, and not what "
            "its scores add. Leave first_stage_scores (first_stage_score_field of a wrapper) out, "
            f"or set {option('scale', 'probability')}."
        )
        raise InvalidInputError(message)
    count = len(checked_passages)
    bonus = score_bonus(scores, count, higher_is_better=settings.higher_is_better)
    return Request(checked_query, checked_passages, bonus)


def requests(queries: Any, passages: Any, scores: Any, settings: Settings) -> list[Request]:
    """The requests of m queries, each with its own passages and perhaps scores.

    Raises:
        InvalidInputError: As in `request`, an argument is not a list, or the lengths differ.
    """
    queries, passages = _listed(queries, passages)
    if len(queries) != len(passages):
        message = (
            f"queries and passages must have the same length, but got {len(queries)} queries "
            f"and {len(passages)} lists of passages."
        )
        raise InvalidInputError(message)
    of_each: Sequence[Any] = [None] * len(queries)
    if scores is not None:
        of_each = [] if _is_no_list(scores) else list(scores)
        if len(of_each) != len(queries) or any(map(_is_no_list, of_each)):
            message = (
                "first_stage_scores must be one list of scores per query, but got "
                f"{described(scores)} for {len(queries)} queries."
            )
            raise InvalidInputError(message)
    return [
        request(query, texts, one, settings)
        for query, texts, one in zip(queries, passages, of_each, strict=True)
    ]


def _listed(queries: Any, passages: Any) -> tuple[list[Any], list[Any]]:
    if _is_no_list(queries) or _is_no_list(passages):
        message = (
            "queries and passages must be lists, one list of passages per query, but got "
            f"{described(queries)} and {described(passages)}."
        )
        raise InvalidInputError(message)
    return list(queries), list(passages)


def _is_no_list(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or not isinstance(value, Iterable)
