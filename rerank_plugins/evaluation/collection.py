"""Collections with judgements, and the folders that hold them in BEIR's layout."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rerank_plugins._lines import json_rows, read_lines
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.qrels import Judgements, read_qrels

_LAYOUT = (
    "a collection is a folder with corpus.jsonl, queries.jsonl (each may end in .gz) and qrels.tsv "
    "or qrels/test.tsv"
)


@dataclass(frozen=True)
class JudgedCollection:
    """Passages, questions, and which passages answer which question.

    Attributes:
        name: The folder's name, or the dataset's id.
        passages: Passage id to text, the title in front of the body.
        queries: Query id to text; only queries with at least one relevant passage.
        judgements: Query id to passage id to relevance.
    """

    name: str
    passages: Mapping[str, str]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]

    def sample(self, count: int, seed: int) -> JudgedCollection:
        """Returns the collection with ``count`` of its queries, the same ones for the same seed."""
        if count >= len(self.queries):
            return self
        kept = sorted(random.Random(seed).sample(sorted(self.queries), count))
        return replace(self, queries={query_id: self.queries[query_id] for query_id in kept})


def read_collection(folder: Path, *, split: str | None = None) -> JudgedCollection:
    """Returns the collection in a folder.

    Args:
        folder: The folder.
        split: Which of `qrels/*.tsv` is read; by default `qrels.tsv`, or else `qrels/test.tsv`.

    Raises:
        InvalidInputError: A file is missing or broken, or no query has a relevant passage.
    """
    passages = {
        str(row["_id"]): f"{row.get('title') or ''} {row['text']}".strip()
        for row in _rows(folder, "corpus.jsonl")
    }
    texts = {str(row["_id"]): row["text"] for row in _rows(folder, "queries.jsonl")}
    return judged_collection(folder.name, passages, texts, _judgements(folder, split))


def judged_collection(
    name: str,
    passages: Mapping[str, str],
    queries: Mapping[str, str],
    judgements: Mapping[str, Mapping[str, int]],
) -> JudgedCollection:
    """Returns a collection of the queries that have something to find.

    Raises:
        InvalidInputError: No query has a relevant passage.
    """
    answerable = {
        query_id: text
        for query_id, text in queries.items()
        if any(relevance > 0 for relevance in judgements.get(query_id, {}).values())
    }
    if not answerable:
        message = (
            f"no query of {name} has a relevant passage in its qrels; check that the ids match"
        )
        raise InvalidInputError(message)
    return JudgedCollection(name, passages, answerable, judgements)


def _rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    path = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
    if path is None:
        message = f"{folder} has no {name}; {_LAYOUT}"
        raise InvalidInputError(message)
    for where, row in json_rows(read_lines(path), str(path)):
        if not isinstance(row, dict):
            message = f"{where} is not a JSON object; {_LAYOUT}"
            raise InvalidInputError(message)
        missing = [field for field in ("_id", "text") if row.get(field) is None]
        if missing:
            message = f"{where} lacks {', '.join(missing)}"
            raise InvalidInputError(message)
        if not isinstance(row["text"], str):
            message = f"{where}: text is {row['text']!r:.60}; it must be a string"
            raise InvalidInputError(message)
        yield row


def _judgements(folder: Path, split: str | None) -> Judgements:
    named = folder / "qrels" / f"{split or 'test'}.tsv"
    places = [named] if split else [folder / "qrels.tsv", named]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        splits = sorted(place.stem for place in (folder / "qrels").glob("*.tsv"))
        there = (
            f"there are judgements for the split {', '.join(splits)}: name one" if splits else ""
        )
        message = f"{folder} has no {places[0].relative_to(folder)}; {there or _LAYOUT}"
        raise InvalidInputError(message)
    return read_qrels(path)
