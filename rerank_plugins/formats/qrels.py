"""Files of judgements: BEIR's three columns under a header, and TREC's four without one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.lines import read_lines

Judgements = dict[str, dict[str, int]]
"""Query id -> passage id -> relevance; 0 or less means not relevant."""

LEAST, MOST = -100, 1000
"""Bounds of relevance: TREC uses -2, and trec_eval's memory grows with the largest value."""

ALLOWED = f"a whole number from {LEAST} to {MOST:,}"

_QUERY_COLUMN = re.compile(
    r"#?_?((q|query|topic|question)[-_ ]?(id|no|num|number)?|id)", re.IGNORECASE
)
_RELEVANCE_COLUMN = re.compile(
    r"(score|label|grade|rel|relevance|judge?ment)[-_ ]?(score|label|grade)?", re.IGNORECASE
)
_WHOLE = re.compile(r"[-+]?[0-9]+(\.0*)?")


def read_qrels(path: str | Path) -> Judgements:
    """Returns the judgements in a file, compressed or not.

    A line holds query id, passage id and relevance, separated by tabs (BEIR), or query id,
    iteration, passage id and relevance, separated by white space (TREC). The first line may be a
    header, which names the first or the last column as such files do.

    Raises:
        InvalidInputError: The file cannot be read, a line is in neither format, or two lines judge
            a passage differently.
    """
    judgements: Judgements = {}
    first = True
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        fields = line.split("\t") if line.count("\t") in (2, 3) else line.split()
        fields = [field.strip() for field in fields]
        header = first and len(fields) in (3, 4) and _is_header(fields)
        first = False
        if header:
            continue
        where = f"{path}, line {number}"
        try:
            query_id, *_, passage_id, value = fields if len(fields) in (3, 4) else []
            relevance = _whole(value)
        except ValueError as error:
            message = (
                f"{where}: expected query id, passage id and a relevance, {ALLOWED}, "
                f"tab-separated, or TREC's query id, 0, passage id, relevance; got {line[:60]!r}. "
                "Column names in the first line are, for example, query-id, corpus-id, score."
            )
            raise InvalidInputError(message) from error
        known = judgements.setdefault(query_id, {}).setdefault(passage_id, relevance)
        if known != relevance:
            message = (
                f"{where} judges passage {passage_id!r} for query {query_id!r} as {relevance}, and "
                f"an earlier line as {known}. Keep one of them."
            )
            raise InvalidInputError(message)
    return judgements


def _is_header(fields: Sequence[str]) -> bool:
    """Whether fields are names of columns and no judgement that somebody mistyped."""
    first, last = _QUERY_COLUMN.fullmatch(fields[0]), _RELEVANCE_COLUMN.fullmatch(fields[-1])
    return last is not None or (first is not None and not _is_number(fields[-1]))


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _whole(text: str) -> int:
    """The relevance in a text; `1.0` is 1."""
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(text)
    return allowed_relevance(float(text))


def allowed_relevance(value: Any) -> int:
    """Returns a relevance as an int.

    Raises:
        ValueError: It is not a whole number in the allowed range.
    """
    number = isinstance(value, (int, float, np.integer))
    if not number or not LEAST <= value <= MOST or value != int(value):
        raise ValueError(value)
    return int(value)


def check_judgements(name: str, judgements: Mapping[str, Mapping[str, Any]]) -> Judgements:
    """Returns judgements that another library read, as ints.

    Raises:
        InvalidInputError: A relevance is not a whole number in the allowed range.
    """
    checked: Judgements = {}
    for query_id, passages in judgements.items():
        checked[query_id] = {}
        for passage_id, value in passages.items():
            try:
                checked[query_id][passage_id] = allowed_relevance(value)
            except ValueError as error:
                message = (
                    f"{name} judges passage {passage_id!r} for query {query_id!r} as {value!r}. "
                    f"Relevance is {ALLOWED}."
                )
                raise InvalidInputError(message) from error
    return checked
