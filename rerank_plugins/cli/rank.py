"""Reranks one list or a whole run, and warns about passages that the model read only in part."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rerank_plugins.formats.candidates import QueryPassages
from rerank_plugins.messages.spelling import entry, keys, option
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import RankedList

MANY_PAIRS = 200
"""With this many pairs or more, the wait is long enough for a progress bar."""

_PAIRS_AT_ONCE = 2000


def rank_all(
    reranker: Reranker,
    requests: list[QueryPassages],
    *,
    by_score: bool = False,
    show_progress: bool = False,
) -> list[RankedList]:
    """Returns one ranking per request, in their order.

    A time budget is for each request, and loading the models does not count.

    Args:
        reranker: The reranker.
        requests: The requests.
        by_score: Whether the first stage's opinion is the score of each passage, and not its place.
        show_progress: Show a bar of the pairs scored so far.
    """
    from tqdm import tqdm

    rankings: list[RankedList] = []
    pairs = sum(len(request.passages) for request in requests)
    has_budget = reranker.time_budget is not None
    if has_budget and pairs:
        reranker.warm_up()
    with tqdm(total=pairs, unit="pair", desc="Scoring", disable=not show_progress) as bar:
        for group in [[each] for each in requests] if has_budget else _groups(requests):
            texts = [[passage.text for passage in request.passages] for request in group]
            scores = [[p.score for p in each.passages if p.score is not None] for each in group]
            rankings += reranker.rank_many(
                [request.query for request in group],
                texts,
                first_stage_scores=scores if by_score else None,
            )
            bar.update(sum(map(len, texts)))
    return rankings


def cut_warnings(
    reranker: Reranker, options: Mapping[str, Any], rankings: Sequence[RankedList]
) -> Iterator[str]:
    """A warning for each model that read passages only in part.

    It counts all scored passages: a passage may have dropped out of the ranking because its end
    was not read.

    Args:
        reranker: The reranker that scored them.
        options: The options of the last model.
        rankings: What the last model made of them.
    """
    *before, last = reranker.scorers
    read = [
        sum(stage) for stage in zip(*(each.read for each in rankings if each.read), strict=True)
    ]
    for at, (scorer, stage) in enumerate(zip(before, reranker.cascade or (), strict=True)):
        if scorer.statistics.truncated:
            name, windows = entry("cascade", at), stage.get("long_passages") == "windows"
            with keys():
                many = f"{scorer.statistics.truncated} of {read[at]} passages"
                warning = _warning(many, name, stage, windows=windows)
            yield warning
    if last.statistics.truncated:
        name = option("model") if before else ""
        windows = any(ranked.windows for ranking in rankings for ranked in ranking)
        many = f"{last.statistics.truncated} of {read[-1]} passages"
        yield _warning(many, name, options, windows=windows)


def _warning(many: str, model: str, options: Mapping[str, Any], *, windows: bool) -> str:
    by = f" by {model}" if model else ""
    most, limit = option("max_windows"), options.get("max_length")
    if windows:
        return (
            f"{many} were not read to their ends{by}: they have more windows than {most} allows, "
            f"or the query or a title is too long. Raise {most}, or split them into shorter "
            "passages."
        )
    longer_than = "the model's limit" if limit is None else option("max_length", limit)
    remedy = "" if limit is None else f"; or raise {option('max_length')}"
    return (
        f"{many} were cut{by}: with the query they are longer than {longer_than}. Add "
        f"{option('long_passages', 'windows')}, or split them into shorter passages{remedy}."
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
