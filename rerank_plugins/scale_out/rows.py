"""The rows of a batch: a query with a passage or with a list of them, or what is wrong with it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.values import described
from rerank_plugins.scale_out.columns import Batch, values_of
from rerank_plugins.scale_out.texts import TextsById


@dataclass(frozen=True, slots=True)
class Row:
    """A query, its passages, and the first stage's scores of them if there are any."""

    query: str
    passages: list[str]
    scores: list[float] | None


class RowReader:
    """Reads the rows of batches.

    Args:
        options: The options of `ColumnOptions`, checked.

    Raises:
        InvalidInputError: The corpus cannot be read.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._query, self._many = options["query"], options["passages"]
        self._passage = options["passage"]
        self._scores = options["first_stage_scores"]
        self._most = options["max_passages"]
        folder = options["corpus"]
        self._queries = None if folder is None else TextsById(folder, "queries.jsonl")
        self._documents = None if folder is None else TextsById(folder, "corpus.jsonl")

    def rows(self, batch: Batch) -> Iterator[Row | InvalidInputError]:
        """Each row, or the error that says why it cannot be scored.

        Raises:
            InvalidInputError: A column is missing.
        """
        queries = values_of(batch, self._query, "query")
        if self._many is None:
            passages = [[one] for one in values_of(batch, self._passage, "passage")]
        else:
            passages = values_of(batch, self._many, "passages")
        scores: Iterable[Any] = repeat(None, len(queries))
        if self._scores is not None:
            scores = values_of(batch, self._scores, "first_stage_scores")
        for query, some, known in zip(queries, passages, scores, strict=True):
            try:
                yield self._row(query, some, known)
            except InvalidInputError as error:
                yield error

    def _row(self, query: Any, passages: Any, scores: Any) -> Row:
        text = _text(query, f"column {self._query!r}", self._queries)
        passages = _listed(passages, f"column {self._many!r}")
        if len(passages) > self._most:
            message = (
                f"column {self._many!r} has {len(passages)} passages, more than "
                f"max_passages={self._most}. Give fewer, or raise max_passages."
            )
            raise InvalidInputError(message)
        column = self._passage if self._many is None else self._many
        texts = [_text(one, f"column {column!r}", self._documents) for one in passages]
        known = self._scores and _listed(scores, f"column {self._scores!r}")
        return Row(text, texts, known)


def _listed(value: Any, where: str) -> list[Any]:
    """The value as a list, if it is one."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return list(value)
    message = f"{where} has {described(value)}, which is no list. Give a list, or drop the row."
    raise InvalidInputError(message)


def _text(value: Any, where: str, texts: TextsById | None) -> str:
    """The value if it is a text, or the text whose id it is."""
    if texts is None:
        if isinstance(value, str):
            return value
        message = f"{where} has {described(value)}, which is no text. Give a text, or drop the row."
        raise InvalidInputError(message)
    if not isinstance(value, (str, int, np.integer)):
        message = f"{where} has {described(value)}, which is no id. Give an id, or drop the row."
        raise InvalidInputError(message)
    found = texts.get(str(value))
    if found is None:
        message = f"{where} has the id {str(value)!r}, which {texts.file} does not have."
        raise InvalidInputError(message)
    return found
