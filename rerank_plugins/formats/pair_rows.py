"""Rows of training pairs: a query, passages that answer it, and perhaps some that do not."""

from typing import Any

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.values import described

_EXPECTED = (
    'expected {"query": "...", "positive": "..."}, where positive may be a list of strings, and '
    '"negatives" may list passages that do not answer it'
)


def query_and_answers(row: Any, where: str) -> tuple[str, tuple[str, ...]]:
    """The `query` of a row and its `positive` texts, without blank ones.

    Args:
        row: A JSON value.
        where: The row's place in messages.

    Raises:
        InvalidInputError: One of them is missing or is not text.
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
    """The texts of a field (a string or a list of strings), without blank ones.

    A field that is missing or null has no texts.

    Raises:
        InvalidInputError: The field holds something else.
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
