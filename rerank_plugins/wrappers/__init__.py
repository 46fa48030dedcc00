"""What the integrations share: documents in and out, options as attributes and as fields.

In: a framework's documents and options. Out: texts for the core, and what is added to metadata. A
public door, for integrations. It imports no framework, but pydantic, which all of them need.
"""

from rerank_plugins.checks.declaration import checked, spelled_out
from rerank_plugins.checks.values import as_number
from rerank_plugins.options import DEFAULT_MODEL, RESULT_OPTIONS, common_to_stages
from rerank_plugins.results import in_order, kept_text
from rerank_plugins.scoring.inputs import check_query
from rerank_plugins.wrappers.documents import (
    NoTextWarning,
    check_items,
    check_kind,
    moved_places,
    named_scores,
    readable_texts,
    result_metadata,
    with_moved_start,
    without_places,
)
from rerank_plugins.wrappers.fields import (
    RankingFieldOptions,
    RankingFields,
    ScoringFieldOptions,
    ScoringFields,
)
from rerank_plugins.wrappers.options import (
    DEFAULT_LIMIT,
    SHARED_OPTIONS,
    WRAPPER_OPTIONS,
    WrapperOptions,
    call_options,
    check_serialisable,
    plain_scorer,
    plain_values,
    reranker_options,
)

__all__ = [
    "DEFAULT_LIMIT",
    "DEFAULT_MODEL",
    "RESULT_OPTIONS",
    "SHARED_OPTIONS",
    "WRAPPER_OPTIONS",
    "NoTextWarning",
    "RankingFieldOptions",
    "RankingFields",
    "ScoringFieldOptions",
    "ScoringFields",
    "WrapperOptions",
    "as_number",
    "call_options",
    "check_items",
    "check_kind",
    "check_query",
    "check_serialisable",
    "checked",
    "common_to_stages",
    "in_order",
    "kept_text",
    "moved_places",
    "named_scores",
    "plain_scorer",
    "plain_values",
    "readable_texts",
    "reranker_options",
    "result_metadata",
    "spelled_out",
    "with_moved_start",
    "without_places",
]
