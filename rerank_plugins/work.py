"""What it took to answer: tokens and seconds, for those who bill, watch or plan."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """What the models read for an answer, and where its time went.

    The three times add up to the time that the answer took. Tokenizing and scoring at the same time
    count for both, so with them the sum may be more.

    Attributes:
        tokens: How many tokens were read: of each pair after it was cut, the special ones included,
            and of all of its windows. A pair that was given twice is read once, and a kept score
            costs none. `None` if a model builds its own input, which hides them.
        tokenizing: Seconds in which its texts were tokenized.
        waiting: Seconds in which nothing of it was tokenized or scored: other requests had their
            turn, or the model was being loaded.
        scoring: Seconds that batches with its pairs took, which other requests may share.
    """

    tokens: int | None = 0
    tokenizing: float = 0.0
    waiting: float = 0.0
    scoring: float = 0.0


def total_work(parts: Iterable[Work | None]) -> Work | None:
    """The work of several calls together; `None` if one of them does not say."""
    total = Work()
    for part in parts:
        if part is None:
            return None
        known = total.tokens is not None and part.tokens is not None
        total = Work(
            total.tokens + part.tokens if known else None,  # type: ignore[operator]
            total.tokenizing + part.tokenizing,
            total.waiting + part.waiting,
            total.scoring + part.scoring,
        )
    return total
