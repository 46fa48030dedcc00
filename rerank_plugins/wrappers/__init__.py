"""What the integrations share: documents in and out, options as fields.

In: a framework's documents and options. Out: texts for the core, and what is added to metadata. A
public door, for integrations; it imports no framework.
"""

from rerank_plugins.wrappers.documents import (
    NoTextWarning,
    check_items,
    check_kind,
    readable_texts,
    result_metadata,
)
from rerank_plugins.wrappers.fields import OptionFields
from rerank_plugins.wrappers.option_values import (
    RESULT_OPTIONS,
    SCORER_OPTIONS,
    check_result_options,
    plain_options,
)

__all__ = [
    "RESULT_OPTIONS",
    "SCORER_OPTIONS",
    "NoTextWarning",
    "OptionFields",
    "check_items",
    "check_kind",
    "check_result_options",
    "plain_options",
    "readable_texts",
    "result_metadata",
]
