"""What a reranker says of rows: a score for each pair, or a ranking for each list."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import pyarrow as pa

from rerank_plugins.errors import InvalidInputError, ScoringError
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import Ranked
from rerank_plugins.scale_out.rows import Row

Ask: TypeAlias = Callable[[Reranker, Sequence[Row]], list[Any]]

SCORE = pa.float64()

_PART = [("start", pa.int64()), ("end", pa.int64())]


def ranking_type(*, spans: bool, compress: bool) -> pa.DataType:
    """The type of a ranking: a list of places and scores, best first, and of parts if asked for."""
    fields = [("index", pa.int64()), ("score", pa.float64())]
    if spans:
        fields.append(("spans", pa.list_(pa.struct([*_PART, ("score", pa.float64())]))))
    if compress:
        fields.append(("kept", pa.list_(pa.struct(_PART))))
    return pa.list_(pa.struct(fields))


def scores(reranker: Reranker, rows: Sequence[Row]) -> list[float]:
    """The score of each row's passage."""
    return reranker.score_pairs([(row.query, row.passages[0]) for row in rows])


def rankings(reranker: Reranker, rows: Sequence[Row]) -> list[list[dict[str, Any]]]:
    """The ranking of each row's passages."""
    known = [row.scores for row in rows if row.scores is not None]
    found = reranker.rank_many(
        [row.query for row in rows],
        [row.passages for row in rows],
        first_stage_scores=known or None,
    )
    return [list(map(_entry, ranking)) for ranking in found]


def answers(ask: Ask, reranker: Reranker, rows: Sequence[Row]) -> Iterator[Any]:
    """The answer to each row, or the error of a row that cannot be scored.

    All rows are one call, so that pairs of like lengths share batches whosever they are. Where that
    fails, halves of them are tried, down to the rows that make it fail.
    """
    try:
        yield from ask(reranker, rows)
    except (InvalidInputError, ScoringError) as error:
        if len(rows) == 1:
            yield error
            return
        half = len(rows) // 2
        yield from answers(ask, reranker, rows[:half])
        yield from answers(ask, reranker, rows[half:])


def _entry(ranked: Ranked) -> dict[str, Any]:
    """A passage as its fields; those that the type of the column lacks are left out there."""
    kept = ranked.kept and [{"start": start, "end": end} for start, end in ranked.kept]
    spans = list(map(asdict, ranked.spans))
    return {"index": ranked.index, "score": ranked.score, "spans": spans, "kept": kept}
