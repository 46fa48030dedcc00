"""Every option of a scorer, of a ranking and of a wrapper's results, declared once.

An option is an entry of one of the `TypedDict` classes: its name, its type, and an `Option` with
its default, its check and one sentence of help. Constructors take `**options: Unpack[...]`, so type
checkers and editors know every name; `spelled_out` gives them the same signature at run time. The
fields of the wrappers and the options of the `rerank` command are made from the dictionaries at the
end, and a test holds the table in docs/getting-started.md to them.

In: values. Out: checked values. Private to the package.
"""

from rerank_plugins.options.flat import beside_scorer, check_known, common_to_stages
from rerank_plugins.options.ranking import (
    CALL_OPTIONS,
    DOCUMENT_OPTIONS,
    RANKING_OPTIONS,
    RESULT_OPTIONS,
    CalibrationOption,
    CallOptions,
    ListOptions,
    RankingOptions,
    ScaleOption,
)
from rerank_plugins.options.scorer import (
    DEFAULT_MODEL,
    SCORER_OPTIONS,
    SHARED_BY_STAGES,
    ModelOption,
    Precision,
    ScorerOptions,
    SharedOptions,
)

__all__ = [
    "CALL_OPTIONS",
    "DEFAULT_MODEL",
    "DOCUMENT_OPTIONS",
    "RANKING_OPTIONS",
    "RESULT_OPTIONS",
    "SCORER_OPTIONS",
    "SHARED_BY_STAGES",
    "CalibrationOption",
    "CallOptions",
    "ListOptions",
    "ModelOption",
    "Precision",
    "RankingOptions",
    "ScaleOption",
    "ScorerOptions",
    "SharedOptions",
    "beside_scorer",
    "check_known",
    "common_to_stages",
]
