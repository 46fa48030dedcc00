"""Files of candidates for one query, in any of the usual formats."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.lines import read_lines, shown
from rerank_plugins.formats.passages import PASSAGE_FIELDS, Passage, passage_of
from rerank_plugins.formats.rows import RowFormat, named_table, row_format, rows
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import option

CandidateFormat: TypeAlias = Literal["auto", "lines", "jsonl", "json", "csv", "tsv"]

RUN_LINE = re.compile(r"\s*\S+\s+Q0\s+\S+\s+\d+\s+[-+]?[\d.]\S*\s+\S+\s*")
"""A line of a TREC run: query id, Q0, document id, rank, score, tag."""


@dataclass(frozen=True, slots=True)
class QueryPassages:
    """A query with its id in a run, and its candidates in the first stage's order."""

    id: str
    query: str
    passages: list[Passage]


def read_passages(
    source: str | Path, form: CandidateFormat = "auto", *, score_field: str | None = None
) -> list[Passage]:
    """The candidates in a file or on standard input (`-`), in their order.

    Args:
        source: The file, compressed or not; `-` is standard input.
        form: The file's format; `"auto"` detects it from the first line and the file name.
        score_field: The field or column of the first stage's scores; `None` reads no scores.

    Raises:
        InvalidInputError: The source cannot be read or is not in that format, or a passage has no
            score there.
    """
    lines = list(read_lines(source))
    written = _form_of_candidates(lines, source) if form == "auto" else form
    if written == "lines":
        if score_field is not None:
            message = (
                f"{shown(source)} has plain lines, which have no field {score_field!r}. Give JSON "
                f"or a table, or leave {option('first_stage_score_field')} out: the order of the "
                "passages then counts."
            )
            raise InvalidInputError(message)
        return [Passage(line.strip()) for line in lines if line.strip()]
    try:
        found = rows(lines, shown(source), written, PASSAGE_FIELDS)
        return [passage_of(row, where, score_field) for where, row in found]
    except InvalidInputError as error:
        typed = f"{command('rerank')} rank QUERY {shlex.quote(str(source))} --format lines"
        message = f"{error} To rank plain lines, type: {typed}"
        raise InvalidInputError(message) from error


def _form_of_candidates(lines: list[str], source: str | Path) -> Literal["lines"] | RowFormat:
    filled = [line for line in lines if line.strip()]
    first = filled[0] if filled else ""
    form = row_format(first, PASSAGE_FIELDS)
    if form is not None:
        return form
    if first.strip().startswith('"') and _is_json(first):
        return "jsonl"
    if filled and all(RUN_LINE.fullmatch(line) for line in filled):
        message = (
            f"{shown(source)} looks like a TREC run. Type: {command('rerank')} rank "
            f"--run {shlex.quote(str(source))} "
            "--queries QUERIES --corpus CORPUS (or --format lines to read it as plain text)"
        )
        raise InvalidInputError(message)
    return (named_table(source) or "lines") if filled else "lines"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
