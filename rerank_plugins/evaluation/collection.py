"""Collections with judgements, read from folders in BEIR's layout."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.lines import json_rows, packed_or_plain, read_lines, texts_by_id
from rerank_plugins.formats.passages import document_of, query_of, shown_id
from rerank_plugins.formats.qrels import Judgements, read_qrels
from rerank_plugins.messages.names import last_name

_LAYOUT = (
    "a collection is a folder with corpus.jsonl, queries.jsonl and qrels.tsv or qrels/test.tsv "
    "(each may end in .gz)"
)


@dataclass(frozen=True)
class JudgedCollection:
    """Passages, queries, and judgements of which passages answer which query.

    Attributes:
        name: The folder's name, or the dataset's id.
        passages: Passage id to text: the title, then the body.
        queries: Query id to text; only queries with at least one relevant passage.
        judgements: Query id to passage id to relevance.
        titles: Passage id to title, at least for passages whose id is also the id of a query.
        keep_identical: Whether a query that is also a passage may be its own candidate.
    """

    name: str
    passages: Mapping[str, str]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]
    titles: Mapping[str, str] = field(default_factory=dict)
    keep_identical: bool = False

    @cached_property
    def identical(self) -> frozenset[str]:
        """Ids of the queries that are also passages.

        Such a query has the id and the text of a passage (with or without its title), and that
        passage is not judged relevant. An equal id alone means nothing, because many collections
        number both from 1.
        """
        return frozenset(
            query_id
            for query_id in self.queries
            if self.judgements.get(query_id, {}).get(query_id, 0) <= 0
            and self._is_passage(query_id)
        )

    def candidates(
        self, query_id: str, ranked: Iterable[tuple[str, float]], depth: int | None = None
    ) -> dict[str, float]:
        """Returns the first passages of a ranking, without the query if it is also a passage.

        Args:
            query_id: The query.
            ranked: Passage ids and scores, best first.
            depth: The number of passages; `None` takes all.
        """
        own = query_id if query_id in self.identical and not self.keep_identical else None
        return dict(islice(((name, score) for name, score in ranked if name != own), depth))

    def _is_passage(self, query_id: str) -> bool:
        try:
            passage = self.passages[query_id]
        except KeyError:
            return False
        query, text = _words(self.queries[query_id]), _words(passage)
        if query == text or not text.endswith(query):
            return query == text
        return _words(passage.removeprefix(self.titles.get(query_id, ""))) == query

    def sample(self, count: int, seed: int) -> JudgedCollection:
        """Returns the collection with `count` random queries, the same ones for the same seed."""
        if count >= len(self.queries):
            return self
        kept = sorted(random.Random(seed).sample(sorted(self.queries), count))
        return replace(self, queries={query_id: self.queries[query_id] for query_id in kept})


def read_collection(folder: Path, *, split: str | None = None) -> JudgedCollection:
    """Returns the collection in a folder.

    Args:
        folder: The folder.
        split: The file of `qrels/*.tsv` to read; the default is `qrels.tsv`, then `qrels/test.tsv`.

    Raises:
        InvalidInputError: A file is missing or broken, or no query has a relevant passage.
    """
    queries = _texts(folder, "queries.jsonl", query_of)
    titles = dict.fromkeys(queries, "")
    passages = _texts(folder, "corpus.jsonl", partial(document_of, titles=titles))
    judgements = _judgements(folder, split)
    return judged_collection(last_name(folder), passages, queries, judgements, titles)


def is_collection(folder: Path) -> bool:
    """Returns whether a folder has judgements, as collections do."""
    return packed_or_plain(folder / "qrels.tsv") is not None or (folder / "qrels").is_dir()


def judged_collection(
    name: str,
    passages: Mapping[str, str],
    queries: Mapping[str, str],
    judgements: Mapping[str, Mapping[str, int]],
    titles: Mapping[str, str] = MappingProxyType({}),
) -> JudgedCollection:
    """Returns a collection of the queries that have a relevant passage.

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
            f"no query of {name} has a relevant passage in its qrels; check that the ids match: "
            f"a query's is for example {shown_id(queries)}, in the qrels {shown_id(judgements)}."
        )
        raise InvalidInputError(message)
    return JudgedCollection(name, passages, answerable, judgements, titles)


def unmatched_ids(collection: JudgedCollection) -> list[str]:
    """Returns one sentence for each kind of id that the judgements name and the collection lacks.

    No scorer can find these passages, so they count as not found. They often mean that the files
    come from different sources.

    Raises:
        InvalidInputError: The collection has no relevant passage of any query.
    """
    relevant = {
        query_id: [name for name, relevance in passages.items() if relevance > 0]
        for query_id, passages in collection.judgements.items()
    }
    wanted = {name for query_id in collection.queries for name in relevant[query_id]}
    lost = sorted(name for name in wanted if name not in collection.passages)
    if len(lost) == len(wanted):
        message = (
            f"{collection.name} has none of the {len(wanted)} passages that its qrels call "
            f"relevant, for example {lost[0]!r}; check that the ids match: a passage's is for "
            f"example {shown_id(collection.passages)}."
        )
        raise InvalidInputError(message)
    sentences = []
    if lost:
        sentences.append(
            f"{len(lost)} of the {len(wanted)} relevant passages of {collection.name} are not in "
            f"its corpus, for example {lost[0]!r} (a passage's id is for example "
            f"{shown_id(collection.passages)}); they count as not found."
        )
    asked = {query_id for query_id, names in relevant.items() if names}
    unknown = sorted(asked - set(collection.queries))
    if unknown:
        sentences.append(
            f"{len(unknown)} of the {len(asked)} judged queries of {collection.name} have no text, "
            f"for example {unknown[0]!r} (a query's id is for example "
            f"{shown_id(collection.queries)}); they are left out."
        )
    return sentences


def _texts(folder: Path, name: str, read: Callable[[Any, str], tuple[str, str]]) -> dict[str, str]:
    path = packed_or_plain(folder / name)
    if path is None:
        message = f"{folder} has no {name}; {_LAYOUT}."
        raise InvalidInputError(message)
    rows = json_rows(read_lines(path), str(path))
    return texts_by_id((read(row, where) for where, row in rows), str(path))


def _judgements(folder: Path, split: str | None) -> Judgements:
    named = folder / "qrels" / f"{split or 'test'}.tsv"
    places = [named] if split else [folder / "qrels.tsv", named]
    path = next(filter(None, map(packed_or_plain, places)), None)
    if path is None:
        files = (folder / "qrels").glob("*.tsv*")
        splits = sorted({place.name.partition(".tsv")[0] for place in files})
        there = f"it has judgements for the split {', '.join(splits)}: name one" if splits else ""
        message = f"{folder} has no {places[0].relative_to(folder)}; {there or _LAYOUT}."
        raise InvalidInputError(message)
    return read_qrels(path)


def _words(text: str) -> str:
    return " ".join(text.split())
