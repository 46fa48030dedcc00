"""TREC run files and the queries and documents they point to."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from typing import Any

from rerank_plugins._lines import read_lines, shown, texts_by_id
from rerank_plugins._passages import (
    PASSAGE_FIELDS,
    QUERY_FIELDS,
    Fields,
    Passage,
    document_of,
    query_of,
    shown_id,
)
from rerank_plugins._trec_scores import falling, tied, trec_order
from rerank_plugins.cli.errors import show
from rerank_plugins.cli.formats import Request, first_text, named_table, row_format, rows
from rerank_plugins.cli.topics import TOPIC_START, read_topics
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.results import Ranked

TAG = "rerank-plugins"

_DOCUMENTS = 'Documents are JSON Lines such as {"_id": "1", "text": "..."}, or id, tab, text.'
_QUERIES = (
    'Queries are lines of id, tab, text, JSON Lines such as {"_id": "1", "text": "..."}, or '
    "TREC topics."
)


def read_run_requests(run: str, queries: str, corpus: str) -> list[Request]:
    """The queries of a run, in the order they have there, each with the texts it names.

    A note says how many of its scores are equal.

    Raises:
        InvalidInputError: A file cannot be read, or an id of the run is in neither of the others.
    """
    scores = read_run_scores(run)
    candidates = {query: list(trec_order(found)) for query, found in scores.items()}
    wanted = {document for documents in candidates.values() for document in documents}
    texts = read_queries(queries)
    documents = read_corpus(corpus, wanted)
    _check_known(list(candidates), texts, "queries", shown(run), shown(queries))
    if not documents:  # shows an id that the corpus has
        documents = dict(islice(_documents(corpus), 1))
    _check_known(sorted(wanted), documents, "documents", shown(run), shown(corpus))
    show_ties(shown(run), scores)
    return [
        Request(query, texts[query], [Passage(documents[document], document) for document in ids])
        for query, ids in candidates.items()
    ]


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


def show_ties(name: str, run: Mapping[str, Mapping[str, float]]) -> None:
    """Notes how many scores of a user's run are equal, and what that means for its order."""
    ties = sum(tied(scores.values()) for scores in run.values())
    if ties:
        show(
            "note",
            f"{name}: {ties} of {sum(map(len, run.values()))} scores are equal to a score before "
            "them, in single precision; equal ones are ordered as trec_eval does, by falling id",
        )


def read_queries(source: str) -> dict[str, str]:
    """Query id -> text, from rows, two columns with a tab between, or TREC topics.

    Raises:
        InvalidInputError: The file is none of them.
    """
    name = shown(source)
    first, lines = first_text(read_lines(source))
    if TOPIC_START.match(first):
        return read_topics(list(lines), name)
    return texts_by_id(_with_ids(lines, source, QUERY_FIELDS, query_of, _QUERIES), name)


def read_corpus(
    source: str, wanted: set[str] | None = None, titles: dict[str, str] | None = None
) -> dict[str, str]:
    """Document id -> text, from rows or from two columns with a tab between.

    Args:
        source: The file.
        wanted: Ids to keep; `None` keeps all.
        titles: Takes the titles of the ids that it has.

    Raises:
        InvalidInputError: A line is neither an object with an id and a text nor has a tab.
    """
    pairs = _documents(source, titles)
    kept = (pair for pair in pairs if wanted is None or pair[0] in wanted)
    return texts_by_id(kept, shown(source))


def as_run(requests: list[Request], rankings: list[list[Ranked]]) -> str:
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


def _documents(source: str, titles: dict[str, str] | None = None) -> Iterator[tuple[str, str]]:
    read = partial(document_of, titles=titles)
    return _with_ids(read_lines(source), source, PASSAGE_FIELDS, read, _DOCUMENTS)


def _with_ids(
    lines: Iterable[str],
    source: str,
    fields: Fields,
    read: Callable[[Any, str], tuple[str, str]],
    hint: str,
) -> Iterator[tuple[str, str]]:
    """Ids and texts of the rows in a file, or of its lines with a tab between."""
    first, lines = first_text(lines)
    form = "jsonl" if first.lstrip().startswith("{") else row_format(first, fields)
    if form is None and named_table(source) == "csv":
        form = "csv"
    if form is None:
        return _columns(lines, shown(source), hint)
    return (read(row, where) for where, row in rows(lines, shown(source), form, fields))


def _columns(lines: Iterable[str], name: str, hint: str) -> Iterator[tuple[str, str]]:
    """Ids and texts of lines with a tab between."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        id, tab, text = line.partition("\t")
        if not tab:
            message = f"{name}, line {number} has no tab: {line[:60]!r}. {hint}"
            raise InvalidInputError(message)
        yield id.strip(), text.strip()


def _check_known(ids: list[str], known: dict[str, str], kind: str, run: str, source: str) -> None:
    unknown = [id for id in ids if id not in known]
    if unknown:
        message = (
            f"{len(unknown)} of the {len(ids)} {kind} in {run} are not in {source}, "
            f"for example {unknown[0]!r}; there an id is for example {shown_id(known)}. Give the "
            "files that belong together."
        )
        raise InvalidInputError(message)
