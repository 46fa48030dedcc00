"""Candidates as people keep them: plain lines, JSON Lines, a JSON array."""

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from rerank_plugins._commands import command
from rerank_plugins._lines import json_rows, read_lines, shown
from rerank_plugins.errors import InvalidInputError

CandidateFormat: TypeAlias = Literal["auto", "lines", "jsonl", "json"]

RUN_LINE = re.compile(r"\s*\S+\s+Q0\s+\S+\s+\d+\s+[-+]?[\d.]\S*\s+\S+\s*")
"""A line of a TREC run: query id, Q0, document id, rank, score, tag."""

_ID_KEYS = ("id", "_id", "docid")
_TEXT_KEYS = ("text", "contents", "passage")
_OBJECT_START = re.compile(r'\{\s*("|\}|$)')
_ARRAY_START = re.compile(r'\[\s*(["{\]]|$)')


@dataclass(frozen=True, slots=True)
class Passage:
    """A candidate, and the id it came with."""

    text: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A query with its candidates, in the first stage's order; the id is the one in a run."""

    id: str
    query: str
    passages: list[Passage]


def read_passages(source: str, form: CandidateFormat = "auto") -> list[Passage]:
    """The candidates in a file or on standard input (`-`), in their order.

    Args:
        source: What to read.
        form: How it is written; `"auto"` looks at it.

    Raises:
        InvalidInputError: The source cannot be read or is not in that form.
    """
    name = shown(source)
    lines = list(read_lines(source))
    if form == "auto":
        form = detected(lines, source)
    if form == "jsonl":
        hint = "For one passage of plain text a line, add --format lines."
        return [passage_of(row, where) for where, row in json_rows(lines, name, hint=hint)]
    if form == "json":
        return _from_array("\n".join(lines), name)
    return [Passage(line.strip()) for line in lines if line.strip()]


def detected(lines: Iterable[str], source: str) -> CandidateFormat:
    """The form that lines are in.

    Raises:
        InvalidInputError: They are a TREC run, which needs other options.
    """
    filled = [line for line in lines if line.strip()]
    first = filled[0].strip() if filled else ""
    if _OBJECT_START.match(first) or (first.startswith('"') and _is_json(first)):
        return "jsonl"
    if _ARRAY_START.match(first):
        return "json"
    if filled and all(RUN_LINE.fullmatch(line) for line in filled):
        message = (
            f"{shown(source)} looks like a TREC run. Type: {command('rerank')} rank "
            f"--run {shlex.quote(source)} "
            "--queries QUERIES --corpus CORPUS (or --format lines to read it as plain text)"
        )
        raise InvalidInputError(message)
    return "lines"


def passage_of(row: Any, where: str) -> Passage:
    """The passage in a JSON value: a string, or an object with a text.

    Raises:
        InvalidInputError: It is neither.
    """
    if isinstance(row, str):
        return Passage(row)
    if not isinstance(row, dict):
        message = f"{where} holds {json.dumps(row)[:60]}. Give objects with a text, or strings."
        raise InvalidInputError(message)
    text = first_text(row, _TEXT_KEYS, where)
    title = row.get("title")
    if "text" in row and isinstance(title, str):
        text = f"{title} {text}".strip()
    return Passage(text, id_of(row, _ID_KEYS))


def first_text(row: dict[str, Any], keys: tuple[str, ...], where: str) -> str:
    """The string under the first of the keys that the object has.

    Raises:
        InvalidInputError: There is none.
    """
    value = next((row[key] for key in keys if key in row), None)
    if isinstance(value, str):
        return value
    found = ", ".join(map(repr, row)) or "nothing"
    message = f"{where} needs a string under one of {', '.join(keys)}; it has {found}."
    raise InvalidInputError(message)


def id_of(row: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The object's id as a string, if it has one."""
    value = next((row[key] for key in keys if row.get(key) is not None), None)
    return None if value is None else str(value)


def _from_array(text: str, name: str) -> list[Passage]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        message = f"{name} is not a JSON array: {error}. For plain text, add --format lines."
        raise InvalidInputError(message) from error
    if not isinstance(rows, list):
        message = f"{name} is JSON, but not an array. Put the passages into [ ... ]."
        raise InvalidInputError(message)
    return [passage_of(row, f"{name}, item {number}") for number, row in enumerate(rows, start=1)]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
