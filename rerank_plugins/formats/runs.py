"""TREC run files."""

import math
from collections.abc import Mapping
from itertools import chain

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.candidates import QueryPassages
from rerank_plugins.formats.lines import read_lines, shown
from rerank_plugins.formats.trec_scores import falling
from rerank_plugins.results import Ranked

TAG = "rerank-plugins"


def read_run_scores(source: str) -> dict[str, dict[str, float]]:
    """Query id -> document id -> score, in the order of the file.

    Raises:
        InvalidInputError: A line is not one of a run, or names a document again.
    """
    scores: dict[str, dict[str, float]] = {}
    for number, line in enumerate(read_lines(source), start=1):
        if not line.strip():
            continue
        where = f"{shown(source)}, line {number}"
        try:
            query, _, document, _, score, _ = line.split()
            value = float(score)
            if not math.isfinite(value):
                raise ValueError(score)
        except ValueError as error:
            message = (
                f"{where} is not a line of a TREC run: {line[:60]!r}. "
                "It has six fields: query id, Q0, document id, rank, score (a number), tag."
            )
            raise InvalidInputError(message) from error
        found = scores.setdefault(query, {})
        if document in found:
            message = f"{where} names document {document!r} again for query {query!r}."
            raise InvalidInputError(message)
        found[document] = value
    return scores


def as_run(requests: list[QueryPassages], rankings: list[list[Ranked]]) -> str:
    """Rankings as a TREC run."""
    return run_lines(
        {
            request.id: {str(request.passages[r.index].id): r.score for r in ranking}
            for request, ranking in zip(requests, rankings, strict=True)
        }
    )


def run_lines(run: Mapping[str, Mapping[str, float]]) -> str:
    """Query id -> document id -> score as a TREC run, by falling score, ranks from 1.

    Equal scores keep their order. The scores that are written fall from line to line, because
    TREC's tools ignore the rank and order equal scores by their ids.

    Raises:
        InvalidInputError: An id has white space, which separates the fields of a run.
    """
    for name in chain(run, chain.from_iterable(run.values())):
        if len(name.split()) != 1:
            message = (
                f"the id {name!r} has white space or nothing in it, and a TREC run cannot hold it. "
                "Give queries and documents ids without white space."
            )
            raise InvalidInputError(message)
    lines = []
    for query, scores in run.items():
        order = sorted(scores, key=lambda id: -scores[id])
        texts = falling([scores[document] for document in order])
        lines += [
            f"{query} Q0 {document} {rank} {text} {TAG}\n"
            for rank, (document, text) in enumerate(zip(order, texts, strict=True), start=1)
        ]
    return "".join(lines)
