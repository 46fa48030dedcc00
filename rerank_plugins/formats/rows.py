"""Rows of JSON Lines, JSON arrays and tables."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.lines import json_rows
from rerank_plugins.formats.passages import TITLE, Fields

RowFormat: TypeAlias = Literal["jsonl", "json", "csv", "tsv"]

_OBJECT_START = re.compile(r'\{\s*("|\}|$)')
_ARRAY_START = re.compile(r'\[\s*(["{\]]|$)')
_SEPARATORS: dict[RowFormat, str] = {"tsv": "\t", "csv": ",;"}
_COLUMN = re.compile(r"[\w.-]*")
_MOST_CHARACTERS = 2**31 - 1
"""The most in a cell, and the most that Python allows on all systems; its own limit is 131,072.

The limit is the process's. It stays raised, because other threads may be reading tables too.
"""


def row_format(first: str, fields: Fields) -> RowFormat | None:
    """Detects a file's format from its first line that is not blank; `None` for plain lines.

    A table is recognised by its header: names without white space, one of them a known field.

    Args:
        first: That line.
        fields: The possible names of ids and texts.
    """
    if _OBJECT_START.match(first.strip()):
        return "jsonl"
    if _ARRAY_START.match(first.strip()):
        return "json"
    if " " in first.strip():
        return None
    known = {*fields.id, *fields.text, TITLE}
    for form, separators in _SEPARATORS.items():
        for separator in separators:
            names = _header(first, separator)
            if len(names) > 1 and known & set(names) and all(map(_COLUMN.fullmatch, names)):
                return form
    return None


def named_table(source: str | Path) -> RowFormat | None:
    """The table format that a file's name ends in, if any."""
    name = str(source).lower().removesuffix(".gz")
    return "csv" if name.endswith(".csv") else "tsv" if name.endswith(".tsv") else None


def first_text(lines: Iterable[str]) -> tuple[str, Iterator[str]]:
    """The first line that is not blank (`""` if there is none), and an iterator over all lines."""
    lines = iter(lines)
    start = []
    for line in lines:
        start.append(line)
        if line.strip():
            break
    return (start[-1] if start else ""), chain(start, lines)


def rows(
    lines: Iterable[str], name: str, form: RowFormat, fields: Fields
) -> Iterator[tuple[str, Any]]:
    """The place of each row in a file, and the row: a JSON value, or an object from a table.

    Args:
        lines: The file's lines.
        name: The file's name in messages.
        form: The file's format.
        fields: The possible names of ids and texts.

    Raises:
        InvalidInputError: The file is not in that format, or a table has no column of texts.
    """
    if form == "jsonl":
        yield from json_rows(lines, name)
    elif form == "json":
        yield from _array("\n".join(lines), name)
    else:
        yield from _table(lines, name, form, fields)


def _array(text: str, name: str) -> Iterator[tuple[str, Any]]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"{name} is not a JSON array: {error}."
        raise InvalidInputError(message) from error
    if not isinstance(values, list):
        message = f"{name} is JSON, but not an array. Put the passages into [ ... ]."
        raise InvalidInputError(message)
    for number, value in enumerate(values, start=1):
        yield f"{name}, item {number}", value


def _table(
    lines: Iterable[str], name: str, form: RowFormat, fields: Fields
) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows under a header; a cell in quotes may span several lines."""
    first, lines = first_text(lines)
    separators = [one for one in _SEPARATORS[form] if {*fields.text} & {*_header(first, one)}]
    if not separators:
        message = (
            f"{name} is read as {form.upper()}, but no column in its first line is called "
            f"{' or '.join(fields.text)}: {first[:60]!r}. Rename the column that holds the texts."
        )
        raise InvalidInputError(message)
    csv.field_size_limit(_MOST_CHARACTERS)
    table = csv.reader(
        (f"{line}\n" for line in lines),
        delimiter=separators[0],
        skipinitialspace=True,
        strict=True,
    )
    names: list[str] = []
    while True:
        where = f"{name}, line {table.line_num + 1}"
        try:
            cells = next(table, None)
        except csv.Error as error:
            message = (
                f"{where} is not a row of {form.upper()}: {error}. Quote a text that has quotes, "
                "separators or line breaks and double the quotes in it, or give JSON Lines."
            )
            raise InvalidInputError(message) from error
        if cells is None:
            return
        if not cells:  # a blank line
            continue
        if not names:
            names = _names(cells)
        elif len(cells) != len(names):
            message = (
                f"{where} has {len(cells)} cells, but the header has {len(names)}. Quote a text "
                "that has separators or line breaks."
            )
            raise InvalidInputError(message)
        else:
            yield where, dict(zip(names, cells, strict=True))


def _header(line: str, separator: str) -> list[str]:
    """The names in a line, if it is a header."""
    try:
        return _names(next(csv.reader([line], delimiter=separator, skipinitialspace=True), []))
    except csv.Error:  # for example, a carriage return in a line of text
        return []


def _names(cells: list[str]) -> list[str]:
    return [cell.strip().lower() for cell in cells]
