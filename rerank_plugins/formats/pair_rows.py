"""Rows of pairs: a question, passages that answer it, and perhaps some that do not."""

from typing import Any

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.values import described

_EXPECTED = (
    'expected {"query": "...", "positive": "..."}, where positive may be a list of strings, and '
    '"negatives" may name passages that do not answer'
)


def query_and_answers(row: Any, where: str) -> tuple[str, tuple[str, ...]]:
    """The `query` of a row, and the texts under `positive`; empty where they are blank.

    Args:
        row: A JSON value.
        where: What messages call its place.

    Raises:
        InvalidInputError: One of them is missing or no text.
    """
    if not isinstance(row, dict):
        message = f"{where}: {_EXPECTED}; this is {described(row)}."
        raise InvalidInputError(message)
    for field in ("query", "positive"):
        if row.get(field) is None:
            message = f"{where}: {_EXPECTED}; {field!r} is missing."
            raise InvalidInputError(message)
    if not isinstance(row["query"], str):
        raise _no_text(row["query"], "query", where)
    return row["query"].strip(), texts_of(row, "positive", where)


def texts_of(row: dict[str, Any], field: str, where: str) -> tuple[str, ...]:
    """The texts under a field, a string or a list of strings, without those that are blank.

    A field that is missing or null has none.

    Raises:
        InvalidInputError: It is something else.
    """
    value = row.get(field)
    texts = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise _no_text(value, field, where)
    for text in texts:
        if not isinstance(text, str):
            raise _no_text(text, field, where)
    return tuple(text.strip() for text in texts if text.strip())


def _no_text(value: object, field: str, where: str) -> InvalidInputError:
    return InvalidInputError(f"{where}: {_EXPECTED}; {field!r} holds {described(value)}.")
