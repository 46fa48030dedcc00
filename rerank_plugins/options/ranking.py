"""The options of a ranking, and of the documents and results of a wrapper."""

import os
from functools import partial
from typing import Annotated, Any, Literal, TypedDict

from rerank_plugins.checks.cascade import check_cascade
from rerank_plugins.checks.declaration import Option, declared
from rerank_plugins.checks.values import (
    check_calibration,
    check_choice,
    check_flag,
    check_positive_int,
    check_scale,
    check_seconds,
    check_text,
    check_top_k,
    check_weight,
    is_a_threshold,
    optional,
)
from rerank_plugins.options.scorer import SCORER_OPTIONS, SHARED_BY_STAGES
from rerank_plugins.results import ScoreScale


class LimitOption(TypedDict, total=False):
    """The option that LlamaIndex and LangChain call `top_n`."""

    top_k: Annotated[
        int | None, Option(None, check_top_k, "Keep at most this many passages.", "all")
    ]


class ThresholdOption(TypedDict, total=False):
    """The option that a class that only scores has no use for."""

    score_threshold: Annotated[
        float | None,
        Option(
            None,
            is_a_threshold,
            "Keep only passages that score at least this much, on `scale`.",
            "no threshold",
        ),
    ]


class ScaleOption(TypedDict, total=False):
    """The option of everything that gives scores."""

    scale: Annotated[
        ScoreScale,
        Option(
            "probability",
            check_scale,
            'What the scores are: the model\'s raw outputs (`"logit"`), their sigmoid '
            '(`"probability"`), or how often such a passage is relevant (`"calibrated"`, with '
            "`calibration`).",
        ),
    ]


class CalibrationOption(TypedDict, total=False):
    """The option that says what scores mean."""

    calibration: Annotated[
        str | os.PathLike[str] | None,
        Option(
            None,
            check_calibration,
            'File of `rerank calibrate` that says what scores mean, or `"auto"` for the one in the '
            'model\'s folder; needs the scale `"calibrated"`.',
            "scores as they are",
        ),
    ]


class WeightOption(TypedDict, total=False):
    """The option that adds the first stage's opinion."""

    first_stage_weight: Annotated[
        float | Literal["auto"] | None,
        Option(
            None,
            check_weight,
            "Logits that the first stage's opinion adds to its first candidate, falling to none "
            'for its last; `"auto"` takes the weight that the model\'s folder names.',
            "the model alone orders",
        ),
    ]


class FirstStageOptions(TypedDict, total=False):
    """The option that says how to read the first stage's scores."""

    higher_is_better: Annotated[
        bool,
        Option(
            True,
            check_flag,
            "Whether a higher score of the first stage is better; distances are not.",
        ),
    ]


class BudgetOption(TypedDict, total=False):
    """The option that ends the work of a call."""

    time_budget: Annotated[
        float | None,
        Option(
            None,
            check_seconds,
            "Seconds to score in; what is not scored by then is left without a score, and no error "
            "is raised.",
            "as long as it takes",
        ),
    ]


class SpanOptions(TypedDict, total=False):
    """The options that say which parts of the results answer."""

    spans: Annotated[
        bool,
        Option(
            False,
            check_flag,
            "Say which sentences of each result answer best, with their places and scores.",
        ),
    ]
    max_spans: Annotated[
        int, Option(1, check_positive_int, "Most spans of a result; more than one needs `spans`.")
    ]


class CompressOptions(TypedDict, total=False):
    """The options that shorten the texts of the results."""

    compress: Annotated[
        Literal["spans"] | None,
        Option(
            None,
            optional(partial(check_choice, allowed=("spans",))),
            'Shorten the text of each result: `"spans"` keeps its best sentence, and those that '
            "reach `compress_threshold`.",
            "texts stay whole",
        ),
    ]
    compress_threshold: Annotated[
        float | None,
        Option(
            None,
            is_a_threshold,
            "The lowest score, on `scale` (the plain probability beside a calibration), of a "
            "sentence that `compress` keeps.",
            "30% of the way from the worst to the best sentence of each text",
        ),
    ]
    compress_neighbours: Annotated[
        bool,
        Option(
            False,
            check_flag,
            "Whether `compress` also keeps the sentences before and behind those that it keeps.",
        ),
    ]


_STAGE_OPTIONS = {
    **{name: each for name, each in SCORER_OPTIONS.items() if name not in SHARED_BY_STAGES},
    **declared(WeightOption),
}


class CascadeOption(TypedDict, total=False):
    """The option that puts models before the model."""

    cascade: Annotated[
        list[dict[str, Any]] | None,
        Option(
            None,
            partial(check_cascade, options=_STAGE_OPTIONS),
            "Models that choose what the model reads, in their order: a list of dictionaries with "
            "`model`, `keep` (how many passages go on) and options of a scorer.",
            "the model reads all",
            "`scorer` stands for a model in a dictionary, too.",
        ),
    ]


class RankingOptions(
    LimitOption,
    ThresholdOption,
    ScaleOption,
    CalibrationOption,
    WeightOption,
    FirstStageOptions,
    CascadeOption,
    BudgetOption,
    SpanOptions,
    CompressOptions,
    total=False,
):
    """The options of a ranking."""


class CallOptions(
    LimitOption,
    ThresholdOption,
    ScaleOption,
    WeightOption,
    BudgetOption,
    SpanOptions,
    total=False,
):
    """The options of a ranking that a call may set for itself."""


class DocumentOptions(TypedDict, total=False):
    """The options of a wrapper that say what it reads of a document."""

    first_stage_score_field: Annotated[
        str | None,
        Option(
            None,
            optional(check_text),
            "Where documents have the first stage's score: a key of the metadata, or `score`. With "
            "it, `first_stage_weight` counts these scores instead of the places.",
            "the order of the documents is the first stage's opinion",
        ),
    ]


class ResultOptions(TypedDict, total=False):
    """The options of a wrapper that say what is added to the metadata of its results."""

    annotate: Annotated[
        bool,
        Option(
            False,
            check_flag,
            "Add `relevance_score_scale`, `relevance_model_score` and `relevance_truncated` to the "
            "metadata, and with windows `relevance_windows` and `relevance_window`.",
        ),
    ]
    keep_retrieval_score: Annotated[
        bool,
        Option(
            False,
            check_flag,
            "Add the first stage's score to the metadata, as `retrieval_score`.",
        ),
    ]


class ListOptions(
    ThresholdOption,
    WeightOption,
    FirstStageOptions,
    CascadeOption,
    BudgetOption,
    SpanOptions,
    CompressOptions,
    DocumentOptions,
    ResultOptions,
    total=False,
):
    """The options of a wrapper's lists of documents, but for the limit, which has several names."""


RANKING_OPTIONS = declared(RankingOptions)
CALL_OPTIONS = declared(CallOptions)
DOCUMENT_OPTIONS = declared(DocumentOptions)
RESULT_OPTIONS = declared(ResultOptions)
