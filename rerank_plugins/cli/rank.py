"""Reranks one list or a whole run, and warns about passages that the model read only in part."""

from collections.abc import Iterator

from rerank_plugins.formats.candidates import QueryPassages
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import Ranked, Statistics

MANY_PAIRS = 200
"""With this many pairs or more, the wait is long enough for a progress bar."""

_PAIRS_AT_ONCE = 2000


def rank_all(
    reranker: Reranker, requests: list[QueryPassages], *, show_progress: bool = False
) -> list[list[Ranked]]:
    """Returns one ranking per request, in their order; a bar can show the pairs scored so far."""
    from tqdm import tqdm

    rankings: list[list[Ranked]] = []
    pairs = sum(len(request.passages) for request in requests)
    with tqdm(total=pairs, unit="pair", desc="Scoring", disable=not show_progress) as bar:
        for group in _groups(requests):
            texts = [[passage.text for passage in request.passages] for request in group]
            rankings += reranker.rank_many([request.query for request in group], texts)
            bar.update(sum(map(len, texts)))
    return rankings


def cut_warning(scored: Statistics, max_length: int | None) -> str | None:
    """Returns a warning about passages that were cut, or `None` if there were none.

    It counts all scored passages: a passage may have dropped out of the ranking because its end
    was not read.
    """
    if not scored.truncated:
        return None
    limit = "the model's limit" if max_length is None else f"--max-length {max_length}"
    remedy = "" if max_length is None else ", or raise --max-length"
    return (
        f"{scored.truncated} of {scored.pairs} passages were cut: with the query they are longer "
        f"than {limit}. Split them into shorter passages{remedy}."
    )


def _groups(requests: list[QueryPassages]) -> Iterator[list[QueryPassages]]:
    """Groups requests, large enough to batch well and small enough to show progress."""
    group: list[QueryPassages] = []
    size = 0
    for request in requests:
        group.append(request)
        size += len(request.passages)
        if size >= _PAIRS_AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group
