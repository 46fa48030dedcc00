"""Passages and queries from JSON objects and table rows; all commands accept the same fields."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.messages.values import described
from rerank_plugins.texts.passage import Passage as Headed

TITLE = "title"


@dataclass(frozen=True, slots=True)
class Fields:
    """The possible names of the id and the text; the first name that is present counts."""

    id: tuple[str, ...]
    text: tuple[str, ...]


PASSAGE_FIELDS = Fields(id=("_id", "id", "docid"), text=("text", "contents", "passage"))
QUERY_FIELDS = Fields(id=("_id", "id", "qid", "query_id"), text=("text", "query", "question"))


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a file.

    Attributes:
        text: The text, which starts with any title as its header.
        id: The id, if there is one.
        title: The title alone.
        score: The first stage's score, if it was asked for.
    """

    text: str
    id: str | None = None
    title: str = ""
    score: float | None = None


def passage_of(row: Any, where: str, score_field: str | None = None) -> Passage:
    """The passage in a JSON value: a string, or an object with a text.

    A title is put in front of the text, if it is a string.

    Args:
        row: The value.
        where: The value's place in messages.
        score_field: The field of the first stage's score; `None` reads no score.

    Raises:
        InvalidInputError: The value is neither, or there is no finite number in that field.
    """
    if isinstance(row, str):
        return Passage(row, score=_score_of({}, score_field, where))
    if not isinstance(row, dict):
        message = f"{where} holds {json.dumps(row)[:60]}. Give objects with a text, or strings."
        raise InvalidInputError(message)
    text, title = _text_of(row, PASSAGE_FIELDS, where), row.get(TITLE)
    title = title.strip() if isinstance(title, str) else ""
    score = _score_of(row, score_field, where)
    return Passage(with_title(title, text), _id_of(row, PASSAGE_FIELDS), title, score)


def with_title(title: str, text: str) -> str:
    """The title in front of the text, as its header."""
    if not title or not text.strip():
        return f"{title} {text}".strip()
    return Headed(text.rstrip(), header=f"{title} ")


def document_of(row: Any, where: str, titles: dict[str, str] | None = None) -> tuple[str, str]:
    """The id and the text of a passage that must have both.

    Args:
        row: The passage as a JSON value.
        where: The value's place in messages.
        titles: Receives the titles for the ids that it already has as keys.

    Raises:
        InvalidInputError: The id or the text is missing.
    """
    passage = passage_of(row, where)
    if passage.id is None:
        raise InvalidInputError(_without_id(where, "document", PASSAGE_FIELDS))
    if titles is not None and passage.id in titles:
        titles[passage.id] = passage.title
    return passage.id, passage.text


def query_of(row: Any, where: str) -> tuple[str, str]:
    """The id and the text of a query in a JSON object.

    Raises:
        InvalidInputError: The id or the text is missing.
    """
    id = _id_of(row, QUERY_FIELDS) if isinstance(row, dict) else None
    if id is None:
        raise InvalidInputError(_without_id(where, "query", QUERY_FIELDS))
    return id, _text_of(row, QUERY_FIELDS, where)


def shown_id(ids: Iterable[str]) -> str:
    """The first of some ids for messages, in quotes, so that `'1.0'` and `'1'` look different."""
    return next(map(repr, ids), "none")


def _text_of(row: dict[str, Any], fields: Fields, where: str) -> str:
    value = next((row[name] for name in fields.text if row.get(name) is not None), None)
    if isinstance(value, str):
        return value
    found = ", ".join(map(repr, row)) or "nothing"
    message = f"{where} needs a string under one of {', '.join(fields.text)}; it has {found}."
    raise InvalidInputError(message)


def _score_of(row: dict[str, Any], field: str | None, where: str) -> float | None:
    """The first stage's score: a number, or in a table a number's text."""
    if field is None:
        return None
    given = row.get(field)
    try:
        score = math.nan if isinstance(given, bool) or given is None else float(given)
    except (TypeError, ValueError, OverflowError):
        score = math.nan
    if not math.isfinite(score):
        has = f"has {described(given)}" if field in row else "has none"
        message = (
            f"{where} needs the first stage's score, a number, under {field!r}, but {has}; its "
            f"fields are {', '.join(map(repr, row)) or 'none'}. Name another field, or leave "
            f"{option('first_stage_score_field')} out: the order of the passages then counts."
        )
        raise InvalidInputError(message)
    return score


def _id_of(row: dict[str, Any], fields: Fields) -> str | None:
    """The object's id, if it has one: a string, or a number as Python writes it."""
    for name in fields.id:
        value = row.get(name)
        is_id = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        if is_id and value == value:  # NaN is a table's empty cell
            return str(value)
    return None


def _without_id(where: str, kind: str, fields: Fields) -> str:
    names = f"{', '.join(fields.id[:-1])} or {fields.id[-1]}"
    return f"{where} has no id. Give each {kind} an id ({names}) and a text."
