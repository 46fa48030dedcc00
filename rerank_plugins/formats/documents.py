"""Files of queries and of documents."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.lines import read_lines, shown, texts_by_id
from rerank_plugins.formats.passages import (
    PASSAGE_FIELDS,
    QUERY_FIELDS,
    Fields,
    document_of,
    query_of,
)
from rerank_plugins.formats.rows import first_text, named_table, row_format, rows
from rerank_plugins.formats.topics import TOPIC_START, read_topics

_DOCUMENTS = 'Documents are JSON Lines such as {"_id": "1", "text": "..."}, or id, tab, text.'
_QUERIES = (
    'Queries are lines of id, tab, text, JSON Lines such as {"_id": "1", "text": "..."}, or '
    "TREC topics."
)


def read_queries(source: str | Path) -> dict[str, str]:
    """Query id -> text, from rows, from two columns separated by a tab, or from TREC topics.

    Args:
        source: The file, compressed or not; `-` is standard input.

    Raises:
        InvalidInputError: The file cannot be read or is in none of these formats.
    """
    name = shown(source)
    first, lines = first_text(read_lines(source))
    if TOPIC_START.match(first):
        return read_topics(list(lines), name)
    return texts_by_id(_with_ids(lines, source, QUERY_FIELDS, query_of, _QUERIES), name)


def read_corpus(
    source: str | Path, wanted: set[str] | None = None, titles: dict[str, str] | None = None
) -> dict[str, str]:
    """Document id -> text, from rows or from two columns separated by a tab.

    Args:
        source: The file, compressed or not; `-` is standard input.
        wanted: Ids to keep; `None` keeps all.
        titles: Receives the titles for the ids that it already has as keys.

    Raises:
        InvalidInputError: A line is not an object with an id and a text, and has no tab.
    """
    pairs = documents_in(source, titles)
    kept = (pair for pair in pairs if wanted is None or pair[0] in wanted)
    return texts_by_id(kept, shown(source))


def documents_in(
    source: str | Path, titles: dict[str, str] | None = None
) -> Iterator[tuple[str, str]]:
    """The id and the text of each document in a file, read one by one."""
    read = partial(document_of, titles=titles)
    return _with_ids(read_lines(source), source, PASSAGE_FIELDS, read, _DOCUMENTS)


def _with_ids(
    lines: Iterable[str],
    source: str | Path,
    fields: Fields,
    read: Callable[[Any, str], tuple[str, str]],
    hint: str,
) -> Iterator[tuple[str, str]]:
    """Ids and texts from the rows of a file, or from its lines, split at the first tab."""
    first, lines = first_text(lines)
    form = "jsonl" if first.lstrip().startswith("{") else row_format(first, fields)
    if form is None and named_table(source) == "csv":
        form = "csv"
    if form is None:
        return _columns(lines, shown(source), hint)
    return (read(row, where) for where, row in rows(lines, shown(source), form, fields))


def _columns(lines: Iterable[str], name: str, hint: str) -> Iterator[tuple[str, str]]:
    """Ids and texts from lines, split at the first tab."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        id, tab, text = line.partition("\t")
        if not tab:
            message = f"{name}, line {number} has no tab: {line[:60]!r}. {hint}"
            raise InvalidInputError(message)
        yield id.strip(), text.strip()
