"""Length-sorted batches under a token budget: little padding, bounded memory."""

from collections.abc import Iterator, Sequence

import numpy as np


def token_budget_batches(lengths: Sequence[int], max_batch_tokens: int) -> Iterator[list[int]]:
    """Indices of `lengths` in batches of similar length, longest first.

    Args:
        lengths: Tokens of each of n pairs.
        max_batch_tokens: Most tokens of a batch, padding included; a single pair longer than
            that is a batch of its own.

    Yields:
        Lists of indices; together every index exactly once. Longest first, so that a batch
        too big for memory fails at once and not at the end.
    """
    batch: list[int] = []
    longest = 0
    for index in np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable").tolist():
        if batch and longest * (len(batch) + 1) > max_batch_tokens:
            yield batch
            batch = []
        if not batch:
            longest = lengths[index]
        batch.append(index)
    if batch:
        yield batch
