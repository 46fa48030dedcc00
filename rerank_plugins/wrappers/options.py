"""The options of wrappers: their types, and their values as a framework can write them down."""

from collections.abc import Mapping
from typing import Any

from rerank_plugins.checks.cascade import check_scores_count, has_weights
from rerank_plugins.checks.declaration import declared
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.options import (
    DOCUMENT_OPTIONS,
    RANKING_OPTIONS,
    RESULT_OPTIONS,
    SCORER_OPTIONS,
    CalibrationOption,
    ListOptions,
    ScaleOption,
    SharedOptions,
)
from rerank_plugins.remote.scorer import HttpScorer
from rerank_plugins.scoring.contract import Scorer

WRAPPER_OPTIONS = {**SCORER_OPTIONS, **RANKING_OPTIONS, **DOCUMENT_OPTIONS, **RESULT_OPTIONS}
"""The options of every wrapper, by their names in the core."""

DEFAULT_LIMIT = 10
"""How many documents a wrapper keeps by default."""


class WrapperOptions(SharedOptions, ScaleOption, CalibrationOption, ListOptions, total=False):
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


def reranker_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that `Reranker.from_options` takes, of all that a wrapper has.

    Raises:
        InvalidInputError: A field of scores is named that no weight makes count.
    """
    own = {**DOCUMENT_OPTIONS, **RESULT_OPTIONS}
    if given["first_stage_score_field"] is not None:
        weight, in_stages = given["first_stage_weight"], has_weights(given["cascade"])
        check_scores_count("first_stage_score_field", weight, in_stages=in_stages)
    return {
        "top_k" if name == "top_n" else name: value
        for name, value in given.items()
        if name not in own
    }


def check_serialisable(cascade: list[dict[str, Any]] | None) -> None:
    """Refuses a cascade with scorer objects, which no framework can write down.

    Raises:
        InvalidInputError: There is one.
    """
    for at, stage in enumerate(cascade or ()):
        if "scorer" in stage:
            message = (
                f"A cascade with scorer objects cannot be serialised: cascade[{at}] is one. Give "
                'it a model and options instead, such as {"model": "embedded", "keep": 30}.'
            )
            raise InvalidInputError(message)


def plain_scorer(
    scorer: Scorer | Mapping[str, Any] | None, owner: str, again: str
) -> dict[str, Any] | None:
    """The option `scorer` as plain values: the options of an `HttpScorer`, or `None`.

    Args:
        scorer: What was given.
        owner: The component, for the message.
        again: How to hand in a scorer after loading, for the message.

    Raises:
        InvalidInputError: It is another scorer, or an `HttpScorer` with a key.
    """
    if isinstance(scorer, HttpScorer):
        return scorer.to_dict()
    if scorer is None or isinstance(scorer, Mapping):
        return None if scorer is None else dict(scorer)
    message = (
        f"{owner} with scorer= cannot be serialised. Give it model= and options instead, or {again}"
    )
    raise InvalidInputError(message)


def call_options(**options: Any) -> dict[str, Any]:
    """The options of one call that are given: frameworks say `None` for the component's own."""
    return {name: value for name, value in options.items() if value is not None}
