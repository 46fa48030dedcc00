"""Every option of a scorer, of a ranking and of a wrapper's results, declared once.

An option is an entry of one of the `TypedDict` classes: its name, its type, and an `Option` with
its default, its check and one sentence of help. Constructors take `**options: Unpack[...]`, so type
checkers and editors know every name; `spelled_out` gives them the same signature at run time. The
fields of the wrappers and the options of the `rerank` command are made from the dictionaries at the
end, and a test holds the table in docs/getting-started.md to them.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias, TypedDict, get_args

from rerank_plugins.checks.cascade import check_cascade
from rerank_plugins.checks.declaration import Option, declared
from rerank_plugins.checks.values import (
    check_choice,
    check_device,
    check_flag,
    check_folder_name,
    check_label,
    check_max_length,
    check_positive_int,
    check_scale,
    check_seconds,
    check_text,
    check_token,
    check_top_k,
    check_weight,
    is_a_threshold,
    optional,
)
from rerank_plugins.models.references import check_reference
from rerank_plugins.results import ScoreScale

BackendName: TypeAlias = Literal["auto", "torch", "onnx", "openvino"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16", "int8"]
WhenFull: TypeAlias = Literal["auto", "wait", "fail"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

DEFAULT_MODEL = "cross-encoder/ms-marco-MiniLM-L4-v2"

_positive = optional(check_positive_int)
_text = optional(check_text)


class ModelOption(TypedDict, total=False):
    """The option that constructors also take by position."""

    model: Annotated[
        str | os.PathLike[str],
        Option(
            DEFAULT_MODEL,
            check_reference,
            'Hub id, local folder or compiled bundle, or `"embedded"` for the model that ships '
            "with the package.",
        ),
    ]


class SharedOptions(TypedDict, total=False):
    """The options of a scorer that are spelled alike in every framework."""

    revision: Annotated[
        str | None, Option(None, _text, "Branch, tag or commit of a hub model.", "the newest")
    ]
    backend: Annotated[
        BackendName,
        Option(
            "auto",
            partial(check_choice, allowed=BACKENDS),
            'Library that runs the model: `"torch"`, `"onnx"`, `"openvino"`, or `"auto"`, which '
            "chooses by what is installed and what the processor has.",
        ),
    ]
    precision: Annotated[
        Precision | None,
        Option(
            None,
            optional(partial(check_choice, allowed=PRECISIONS)),
            'Number format: `"fp32"`, `"bf16"`, `"fp16"` (torch only), `"int8"` (OpenVINO only), '
            'or `"auto"`, which takes bf16 where its cost in ranking was measured.',
            "fp32, or a bundle's own",
        ),
    ]
    max_length: Annotated[
        int | None,
        Option(
            None,
            optional(check_max_length),
            "Most tokens of query and passage together; longer pairs are cut.",
            "as many as the model can read",
        ),
    ]
    max_batch_tokens: Annotated[
        int | None,
        Option(
            None,
            _positive,
            "Most tokens per batch, padding included.",
            "2048 on a CPU, 1536 in OpenVINO, 32768 elsewhere",
            typed=False,
        ),
    ]
    prompt: Annotated[
        str | None,
        Option(None, _text, "Instruction placed before the query.", "the model's own, if any"),
    ]
    query_prefix: Annotated[
        str, Option("", check_text, "Text placed before every query, after the prompt.")
    ]
    query_suffix: Annotated[str, Option("", check_text, "Text placed after every query.")]
    passage_prefix: Annotated[str, Option("", check_text, "Text placed before every passage.")]
    passage_suffix: Annotated[
        str,
        Option(
            "",
            check_text,
            "Text placed after every passage; it is cut with a passage that is too long.",
        ),
    ]
    label: Annotated[
        int | str | None,
        Option(
            None,
            check_label,
            "Column that means relevant, by index or name, if the model's head has several.",
            "the only column",
        ),
    ]
    local_files_only: Annotated[
        bool, Option(False, check_flag, "Use the local cache and never ask the hub.")
    ]
    cache_folder: Annotated[
        str | os.PathLike[str] | None,
        Option(
            None,
            check_folder_name,
            "Folder for hub models.",
            "the Hugging Face default",
            typed=False,
        ),
    ]
    trust_remote_code: Annotated[
        bool,
        Option(
            False, check_flag, "Run the Python code that comes with a hub model; read it first."
        ),
    ]
    progress_bar: Annotated[
        bool,
        Option(False, check_flag, "Show a progress bar over the pairs of a call.", typed=False),
    ]
    timeout: Annotated[
        float | None,
        Option(
            None,
            check_seconds,
            "Seconds after which a call fails with `ScoringTimeoutError`; the time to load the "
            "model counts.",
            "no limit",
            typed=False,
        ),
    ]
    max_queue_pairs: Annotated[
        int | None,
        Option(
            100_000,
            optional(partial(check_positive_int, hint="For a queue without bound, pass None.")),
            "Most pairs, over all calls, that may wait for the model. `None` is no limit.",
            typed=False,
        ),
    ]
    when_full: Annotated[
        WhenFull,
        Option(
            "auto",
            partial(check_choice, allowed=get_args(WhenFull)),
            'What a call beyond `max_queue_pairs` does: `"wait"` for room, `"fail"` at once, or '
            '`"auto"`, by which async calls and those with a `time_budget` wait, and other '
            "blocking calls fail.",
            typed=False,
        ),
    ]


class ScorerOptions(SharedOptions, total=False):
    """The options of a scorer beside `model`; frameworks have their own types for the last two."""

    device: Annotated[
        str | Sequence[str] | None,
        Option(
            None,
            check_device,
            'Device that runs the model, such as `"cpu"`, `"cuda"`, `"cuda:1"` or `"mps"`.',
            "chosen by the backend",
            "A list shares the work among devices.",
        ),
    ]
    token: Annotated[
        str | Callable[[], str | None] | None,
        Option(
            None,
            check_token,
            "Hub token, or a function that returns it when the model is loaded; it is left out of "
            "pickles.",
            "the token saved by `hf auth login`",
            typed=False,
        ),
    ]


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
            'What the scores are: the model\'s raw outputs (`"logit"`), or their sigmoid '
            '(`"probability"`).',
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


SCORER_OPTIONS = declared(ModelOption, ScorerOptions)

SHARED_BY_STAGES = ("token", "cache_folder", "local_files_only", "progress_bar", "timeout")
"""Options of a scorer that all models of a cascade have in common; a stage has none of its own."""

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
    WeightOption,
    FirstStageOptions,
    CascadeOption,
    BudgetOption,
    total=False,
):
    """The options of a ranking."""


class CallOptions(
    LimitOption, ThresholdOption, ScaleOption, WeightOption, BudgetOption, total=False
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
            "metadata.",
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


RANKING_OPTIONS = declared(RankingOptions)
CALL_OPTIONS = declared(CallOptions)
DOCUMENT_OPTIONS = declared(DocumentOptions)
RESULT_OPTIONS = declared(ResultOptions)
