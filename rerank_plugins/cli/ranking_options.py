"""The options of a ranking as a command takes them, and as the library takes them."""

import json
from collections.abc import Mapping
from typing import Any

from rerank_plugins.cli.durations import seconds
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.options import RANKING_OPTIONS


def ranking_arguments(typed: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a `Reranker` in the options that were typed.

    Raises:
        InvalidInputError: A weight, a stage of a cascade or a time is not written as one.
    """
    given = {name: value for name, value in typed.items() if name in RANKING_OPTIONS}
    weight, budget = given["first_stage_weight"], given["time_budget"]
    return {
        **given,
        "first_stage_weight": None if weight is None else _number_or_text(weight),
        "cascade": [_stage(text) for text in given["cascade"] or ()] or None,
        "time_budget": None if budget is None else seconds(budget, "time_budget"),
    }


def _number_or_text(text: str) -> float | str:
    """A number where the text is one; the option's own check refuses other texts."""
    try:
        return float(text)
    except ValueError:
        return text


def _stage(text: str) -> Any:
    """A stage of a cascade: `MODEL:KEEP`, or a JSON object."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            message = (
                f"{option('cascade')} {text!r} is not a JSON object: {error}. Give MODEL:KEEP, "
                'such as embedded:30, or an object such as {"model": "embedded", "keep": 30}.'
            )
            raise InvalidInputError(message) from error
    model, _, keep = text.rpartition(":")
    if not model or not keep.isdecimal():
        message = (
            f"{option('cascade')} must be MODEL:KEEP, a model and how many passages go on, such as "
            f"embedded:30, or a JSON object, but got {text!r}."
        )
        raise InvalidInputError(message)
    return {"model": model, "keep": int(keep)}
