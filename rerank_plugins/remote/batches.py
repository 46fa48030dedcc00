"""Which pairs go into which request."""

from collections.abc import Sequence


def batches(pairs: Sequence[tuple[str, str]], size: int, *, mixes_queries: bool) -> list[list[int]]:
    """The positions of the pairs of each request, in the order in which they are sent.

    Args:
        pairs: The pairs.
        size: The most pairs of a request.
        mixes_queries: Whether a request may have several queries. If not, each has one, and the
            requests of several queries take turns as their pairs do.
    """
    groups: dict[str, list[int]] = {}
    for at, (query, _) in enumerate(pairs):
        groups.setdefault("" if mixes_queries else query, []).append(at)
    parts = (
        group[start : start + size]
        for group in groups.values()
        for start in range(0, len(group), size)
    )
    return sorted(parts, key=lambda part: part[0])
