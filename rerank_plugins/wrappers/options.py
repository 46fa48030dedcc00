"""The options of wrappers: their types, and their values as a framework can write them down."""

from collections.abc import Mapping
from typing import Any

from rerank_plugins.checks.declaration import declared
from rerank_plugins.options import (
    RANKING_OPTIONS,
    RESULT_OPTIONS,
    SCORER_OPTIONS,
    ResultOptions,
    ScaleOption,
    SharedOptions,
    ThresholdOption,
)

WRAPPER_OPTIONS = {**SCORER_OPTIONS, **RANKING_OPTIONS, **RESULT_OPTIONS}
"""The options of every wrapper, by their names in the core."""

DEFAULT_LIMIT = 10
"""How many documents a wrapper keeps by default."""


class WrapperOptions(SharedOptions, ThresholdOption, ScaleOption, ResultOptions, total=False):
    """The options that every framework takes in the same form."""


SHARED_OPTIONS = declared(WrapperOptions)
"""What `WrapperOptions` declares."""


def plain_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of options, checked, in a form that JSON and YAML can hold.

    numpy's numbers become Python's, and paths become strings.

    Args:
        given: Values by the name of the option; `top_n` is `top_k`.

    Raises:
        InvalidInputError: A value is not allowed.
    """
    return {
        name: WRAPPER_OPTIONS["top_k" if name == "top_n" else name].check(value, name)
        for name, value in given.items()
    }


def call_options(**options: Any) -> dict[str, Any]:
    """The options of one call that are given: frameworks say `None` for the component's own."""
    return {name: value for name, value in options.items() if value is not None}
