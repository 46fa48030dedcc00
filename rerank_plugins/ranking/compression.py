"""What `compress` keeps of the text of a result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.checks.values import check_threshold
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.results import ScoreScale

_SHARE = 0.3
"""The share of the way that is the threshold, if none is given. It leaves nearly half of a page's
tokens out, and keeps 98% of the answers even where the query is a mere heading."""


@dataclass(frozen=True, slots=True)
class Compression:
    """Which sentences of a text are kept: the best one, and those that reach a threshold.

    Attributes:
        threshold: The lowest logit of a sentence to keep; `None` is a share of the way from the
            worst to the best sentence of each text, which suits models of any spread of logits.
        neighbours: Whether the sentences beside these in their paragraph are kept, too.
    """

    threshold: float | None
    neighbours: bool

    @classmethod
    def of(cls, checked: Mapping[str, Any]) -> "Compression | None":
        """The compression that the options of a ranking ask for, if they ask for one.

        Raises:
            InvalidInputError: The threshold cannot be reached, or `compress` is missing.
        """
        threshold, neighbours = checked["compress_threshold"], checked["compress_neighbours"]
        if checked["compress"] is not None:
            scale: ScoreScale = "logit" if checked["scale"] == "logit" else "probability"
            given = check_threshold(threshold, scale, "compress_threshold")
            return cls(given if given is None or scale == "logit" else _logit(given), neighbours)
        if threshold is not None or neighbours:
            name = "compress_neighbours" if threshold is None else "compress_threshold"
            message = (
                f"{option(name)} goes with {option('compress', 'spans')}, which is not given. Give "
                f"it, or leave {option(name)} out."
            )
            raise InvalidInputError(message)
        return None

    def kept(
        self,
        parts: Sequence[tuple[int, int]],
        beside: NDArray[np.bool_],
        logits: NDArray[np.float64],
    ) -> tuple[tuple[int, int], ...]:
        """What to keep, in the order of the text; parts in a row are one.

        Args:
            parts: Where the n sentences of the text are, at least one, and what the model did not
                read behind them, which is kept.
            beside: Whether each sentence is in one paragraph with the next, shape `(n - 1,)`.
            logits: What the model said of each sentence, shape `(n,)`.
        """
        worst, best = logits.min(), logits.max()
        least = worst + _SHARE * (best - worst) if self.threshold is None else self.threshold
        keeps = (logits >= least) | (logits == best)
        if self.neighbours:
            behind, before = keeps[:-1] & beside, keeps[1:] & beside
            keeps[1:] |= behind
            keeps[:-1] |= before
        keeps = np.append(keeps, [True] * (len(parts) - len(keeps)))
        runs = np.flatnonzero(np.diff(keeps, prepend=False, append=False)).reshape(-1, 2)
        return tuple((parts[first][0], parts[end - 1][1]) for first, end in runs.tolist())


def _logit(probability: float) -> float:
    with np.errstate(divide="ignore"):  # nothing reaches 1, and everything 0
        return float(np.log(probability) - np.log1p(-probability))
