"""Judgements as files: BEIR's three columns under a header, and TREC's four without one."""

from __future__ import annotations

from pathlib import Path

from rerank_plugins._lines import read_lines
from rerank_plugins.errors import InvalidInputError

Judgements = dict[str, dict[str, int]]
"""Query id -> passage id -> relevance; 0 and less is not relevant."""


def read_qrels(path: Path) -> Judgements:
    """Returns the judgements in a file, compressed or not.

    Lines are query id, passage id, relevance with tabs between (BEIR; the first line may be a
    header), or query id, iteration, passage id, relevance with white space between (TREC).

    Raises:
        InvalidInputError: The file cannot be read, or a line is neither.
    """
    judgements: Judgements = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        fields = line.split("\t") if line.count("\t") == 2 else line.split()
        try:
            query_id, *_, passage_id, relevance = fields if len(fields) in (3, 4) else []
            judgements.setdefault(query_id, {})[passage_id] = int(relevance)
        except ValueError as error:
            if number == 1 and len(fields) == 3:
                continue  # BEIR's header
            message = (
                f"{path}, line {number}: expected query id, passage id and a whole number, "
                f"tab-separated, or TREC's query id, 0, passage id, relevance; got {line[:60]!r}"
            )
            raise InvalidInputError(message) from error
    return judgements
