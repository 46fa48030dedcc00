"""The options of a scorer."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Literal, TypeAlias, TypedDict, get_args

from rerank_plugins.checks.declaration import Option, declared
from rerank_plugins.checks.score_cache import check_cache_size, check_score_cache
from rerank_plugins.checks.values import (
    check_choice,
    check_count,
    check_device,
    check_flag,
    check_folder_name,
    check_label,
    check_max_length,
    check_positive_int,
    check_seconds,
    check_text,
    check_token,
    optional,
)
from rerank_plugins.models.references import check_reference

BackendName: TypeAlias = Literal["auto", "torch", "onnx", "openvino", "jax"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16", "int8"]
WhenFull: TypeAlias = Literal["auto", "wait", "fail"]
LongPassages: TypeAlias = Literal["truncate", "windows"]
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
            'Library that runs the model: `"torch"`, `"onnx"`, `"openvino"`, `"jax"`, or `"auto"`, '
            "which chooses one of the first three by what is installed and what the processor has.",
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
    threads: Annotated[
        int | None,
        Option(
            None,
            _positive,
            "Most threads that share the work of a batch, with the backends onnx and openvino.",
            "as many as the backend finds processors for",
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
    long_passages: Annotated[
        LongPassages | None,
        Option(
            None,
            optional(partial(check_choice, allowed=get_args(LongPassages))),
            "What becomes of a passage that the model cannot read whole: its end is left out "
            '(`"truncate"`), or its best part is its score (`"windows"`).',
            'what the model\'s folder names, or else `"truncate"`',
        ),
    ]
    window_tokens: Annotated[
        int | None,
        Option(
            None,
            _positive,
            "Most tokens of the passage in a window.",
            "what the model's folder names, or else as many as the query leaves room for",
        ),
    ]
    window_overlap: Annotated[
        int | None,
        Option(
            None,
            optional(check_count),
            "Most tokens that a window repeats of the one before.",
            "what the model's folder names, or else a quarter of a window",
        ),
    ]
    max_windows: Annotated[
        int | None,
        Option(
            None,
            _positive,
            "Most windows of a passage; what lies behind them is not read.",
            "what the model's folder names, or else 24",
        ),
    ]
    max_batch_tokens: Annotated[
        int | None,
        Option(
            None,
            _positive,
            "Most tokens per batch, with padding to the longest pair.",
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
    score_cache: Annotated[
        bool | str | os.PathLike[str] | None,
        Option(
            None,
            check_score_cache,
            "File that keeps scores, so that no pair is scored twice.",
            "no scores are kept",
            "`True` is a file in the user's cache folder.",
        ),
    ]
    score_cache_size: Annotated[
        int,
        Option(
            256_000_000,
            check_cache_size,
            "Most bytes of that file; a score takes about 60, and the oldest ones go first.",
            typed=False,
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


SCORER_OPTIONS = declared(ModelOption, ScorerOptions)

SHARED_BY_STAGES = (
    *("token", "cache_folder", "local_files_only", "progress_bar", "timeout"),
    *("score_cache", "score_cache_size"),
)
"""Options of a scorer that all models of a cascade have in common; a stage has none of its own."""
