"""The options of what runs on a cluster, declared once."""

from functools import partial
from typing import Annotated, Literal, TypeAlias, TypedDict, get_args

from rerank_plugins.checks.declaration import Option, declared
from rerank_plugins.checks.values import (
    check_choice,
    check_folder_name,
    check_positive_int,
    check_text,
    optional,
)
from rerank_plugins.options import RankingOptions, ScorerOptions

OnError: TypeAlias = Literal["raise", "keep"]

_text = optional(check_text)


class ColumnOptions(TypedDict, total=False):
    """The options that say what is read of a batch and what is added to it."""

    query: Annotated[str, Option("query", check_text, "Column of the queries.")]
    passage: Annotated[
        str, Option("passage", check_text, "Column of the passages, one in each row.")
    ]
    passages: Annotated[
        str | None,
        Option(
            None,
            _text,
            "Column of lists of passages, in place of `passage`: each row becomes a ranking.",
            "each row is a pair",
        ),
    ]
    first_stage_scores: Annotated[
        str | None,
        Option(
            None,
            _text,
            "Column of lists of the first stage's scores, for `first_stage_weight`.",
            "the order of the passages is the first stage's opinion",
        ),
    ]
    corpus: Annotated[
        str | None,
        Option(
            None,
            check_folder_name,
            "Folder with `corpus.jsonl` and `queries.jsonl`: the columns then have ids of these, "
            "and no texts.",
            "the columns have the texts",
        ),
    ]
    output: Annotated[
        str | None,
        Option(None, _text, "Column that is added.", '`"score"`, or `"ranking"` with `passages`'),
    ]
    on_error: Annotated[
        OnError,
        Option(
            "raise",
            partial(check_choice, allowed=get_args(OnError)),
            'What a row does that cannot be scored: `"raise"` stops the run with an error that '
            'names it, `"keep"` leaves its result empty and says why in one more column.',
        ),
    ]
    max_passages: Annotated[
        int,
        Option(1_000, check_positive_int, "Most passages of a row; one with more is an error."),
    ]


class BatchOptions(ColumnOptions, RankingOptions, ScorerOptions, total=False):
    """The options of `RerankBatch`."""


COLUMN_OPTIONS = declared(ColumnOptions)
