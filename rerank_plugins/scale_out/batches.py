"""A class that scores the batches of a dataset, in as many processes as a cluster has."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import pyarrow as pa

from rerank_plugins.checks.declaration import changed, checked, spelled_out
from rerank_plugins.errors import InvalidInputError, RerankError
from rerank_plugins.options import DEFAULT_MODEL, RANKING_OPTIONS
from rerank_plugins.reranker import Reranker
from rerank_plugins.scale_out.answers import SCORE, answers, ranking_type, rankings, scores
from rerank_plugins.scale_out.columns import Batch, names_of, values_of, with_columns
from rerank_plugins.scale_out.options import COLUMN_OPTIONS, BatchOptions
from rerank_plugins.scale_out.rows import Row, RowReader
from rerank_plugins.scale_out.share import with_own_threads

_OF_PAIRS = ("scale", "calibration")
"""The options of a ranking that scores of single pairs have too."""


class RerankBatch:
    """Adds scores or rankings to batches of rows; made for `ray.data.Dataset.map_batches`.

    The constructor loads the model, with as many threads as Ray gives processors to the actor. A
    call scores the rows of one batch together: a pyarrow table or record batch, a pandas frame or a
    dictionary of numpy arrays, which comes back in the same form, with all its columns. Nothing is
    printed.

    Args:
        model: As in `CrossEncoderScorer`.
        **options: What is read and added, the options of `Reranker`, and the other options of
            `CrossEncoderScorer`. docs/scale-out.md has a table of the first ones.

    Raises:
        InvalidInputError: An option is not allowed, or the corpus cannot be read.
        ModelError: The model cannot be loaded or does not fit the options.
        MissingExtraError: The backend's packages are not installed.
    """

    @spelled_out
    def __init__(
        self, model: str | os.PathLike[str] = DEFAULT_MODEL, **options: Unpack[BatchOptions]
    ) -> None:
        given: dict[str, Any] = {"model": model, **options}
        own = {name: given.pop(name) for name in COLUMN_OPTIONS.keys() & given.keys()}
        columns = checked(own, COLUMN_OPTIONS, type(self).__name__)
        ranks = columns["passages"] is not None
        _check_together(columns, given)
        self._keeps = columns["on_error"] == "keep"
        self._output = columns["output"] or ("ranking" if ranks else "score")
        self._ask = rankings if ranks else scores
        self._type = (
            ranking_type(spans=bool(given.get("spans")), compress=bool(given.get("compress")))
            if ranks
            else SCORE
        )
        self._reader = RowReader(columns)
        self._reranker = with_own_threads(_loaded, given)
        if columns["first_stage_scores"] is not None:
            self._reranker.rank("", [], first_stage_scores=[])  # whether the options count them

    def __call__(self, batch: Batch) -> Batch:
        """A new batch with the results of its rows.

        Raises:
            InvalidInputError: A column is missing or is there already, or, unless such rows are
                kept, a row has no text, or too many passages.
            ScoringError: The model failed at a row, unless such rows are kept.
        """
        failed = f"{self._output}_error"
        added = (self._output, failed) if self._keeps else (self._output,)
        for name in added:
            if name in names_of(batch):
                message = (
                    f"The batch has a column {name!r} already. Name the new one: output='...'."
                )
                raise InvalidInputError(message)
        found = list(self._reader.rows(batch))
        self._refuse(batch, found)
        places = [at for at, row in enumerate(found) if isinstance(row, Row)]
        rows = [row for row in found if isinstance(row, Row)]
        results: list[Any] = list(found)
        for at, result in zip(places, answers(self._ask, self._reranker, rows), strict=True):
            results[at] = result
            self._refuse(batch, [result], at)
        errors = [str(one) if isinstance(one, RerankError) else None for one in results]
        values = [None if isinstance(one, RerankError) else one for one in results]
        columns = {self._output: pa.array(values, self._type)}
        if self._keeps:
            columns[failed] = pa.array(errors, pa.string())
        return with_columns(batch, columns)

    def _refuse(self, batch: Batch, results: Sequence[Any], first: int = 0) -> None:
        """Raises the first error of some rows with the row's place and what it has."""
        if self._keeps:
            return
        for at, error in enumerate(results, start=first):
            if isinstance(error, RerankError):
                row = {name: values_of(batch, name, "")[at] for name in names_of(batch)}
                message = (
                    f"Row {at} of a batch cannot be scored: {error} The row is {row!r:.300}. "
                    "To keep such rows and their errors, pass on_error='keep'."
                )
                raise type(error)(message) from error


def _check_together(columns: Mapping[str, Any], reranker: Mapping[str, Any]) -> None:
    """Refuses a time budget, and options of a ranking where each row is a pair."""
    if reranker.get("time_budget") is not None:
        message = (
            "time_budget= would leave passages of a batch without a score, and nobody waits for a "
            "batch. Leave it out."
        )
        raise InvalidInputError(message)
    if columns["passages"] is not None:
        return
    ranking = {name: value for name, value in reranker.items() if name in RANKING_OPTIONS}
    named = [name for name in changed(ranking, RANKING_OPTIONS) if name not in _OF_PAIRS]
    if columns["first_stage_scores"] is not None:
        named.append("first_stage_scores")
    if named:
        message = (
            f"{', '.join(f'{name}=' for name in named)} would have no effect: each row is a pair "
            "with a score of its own. Name a column of lists, passages='...', to rank them."
        )
        raise InvalidInputError(message)


def _loaded(**options: Any) -> Reranker:
    """A reranker whose model is loaded."""
    reranker = Reranker.from_options(**options)
    reranker.warm_up()
    return reranker
