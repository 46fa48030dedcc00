"""The check of a cascade: a list of stages, each a dictionary of options."""

from collections.abc import Mapping, Sequence
from typing import Any

from rerank_plugins.checks.declaration import Option
from rerank_plugins.checks.values import check_positive_int
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import entry, keys, option
from rerank_plugins.messages.values import described

_EXAMPLE = '{"model": "embedded", "keep": 30}'
_WITH_SCORER = ("scorer", "keep", "first_stage_weight")


def check_cascade(
    value: Any, name: str, options: Mapping[str, Option]
) -> list[dict[str, Any]] | None:
    """The stages as new dictionaries of plain values, or None if there are none.

    Args:
        value: A list of dictionaries: `keep`, and a `scorer` or the options of one.
        name: The option's name.
        options: What a stage without a scorer takes besides `keep`.

    Raises:
        InvalidInputError: A stage is not a dictionary, has an unknown option or one that is not
            allowed, or does not keep fewer passages than the stage before.
    """
    if value is None:
        return None
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        message = (
            f"{option(name)} must be a list of stages such as [{_EXAMPLE}], but got "
            f"{described(value)}."
        )
        raise InvalidInputError(message)
    stages = [_stage(one, entry(name, at), options) for at, one in enumerate(value)]
    for at in range(1, len(stages)):
        if stages[at]["keep"] >= stages[at - 1]["keep"]:
            message = (
                f"{entry(name, at)} must keep fewer passages than the stage before, but keep is "
                f"{stages[at - 1]['keep']}, then {stages[at]['keep']}."
            )
            raise InvalidInputError(message)
    return stages or None


def has_weights(cascade: Sequence[Mapping[str, Any]] | None) -> bool:
    """Whether a stage has a weight for the first stage's opinion."""
    return any(stage.get("first_stage_weight") is not None for stage in cascade or ())


def check_scores_count(name: str, weight: Any, *, in_stages: bool) -> None:
    """Refuses scores of the first stage that no weight makes count.

    Args:
        name: The option that gives them.
        weight: The last model's weight.
        in_stages: Whether a stage before it has one.

    Raises:
        InvalidInputError: No model has a weight.
    """
    if weight is None and not in_stages:
        message = (
            f"{option(name)} goes with {option('first_stage_weight')}, which is not given. Give "
            f"{option('first_stage_weight', 'auto')} or a number, or leave {option(name)} out."
        )
        raise InvalidInputError(message)


def _stage(value: Any, name: str, options: Mapping[str, Option]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        message = f"{name} must be a dictionary such as {_EXAMPLE}, but got {described(value)}."
        raise InvalidInputError(message)
    if ("model" in value) == ("scorer" in value):
        message = (
            f"{name} must name a model or a scorer, but names {', '.join(map(str, value)) or None}."
            f" For example: {_EXAMPLE}."
        )
        raise InvalidInputError(message)
    allowed = _WITH_SCORER if "scorer" in value else ("keep", *options)
    if unknown := [key for key in value if key not in allowed]:
        message = (
            f"{name} has no option {', '.join(map(repr, unknown))}. Its options are "
            f"{', '.join(allowed)}."
        )
        if "model" in value:
            message += (
                " Others, such as token and timeout, are the last model's, for all stages. Beside "
                "scorer=, give them to Reranker.from_options or to the wrapper."
            )
        raise InvalidInputError(message)
    checks = {"keep": _check_keep, "scorer": _anything, **{k: v.check for k, v in options.items()}}
    try:
        with keys():
            return {key: checks[key](one, key) for key, one in {"keep": None, **value}.items()}
    except InvalidInputError as error:
        message = f"{name}: {error}"
        raise InvalidInputError(message) from error


def _check_keep(value: Any, name: str) -> int:
    return check_positive_int(value, name, f"For example: {_EXAMPLE}.")


def _anything(value: Any, name: str) -> Any:
    """The scorer is checked where the contract of scorers is known."""
    return value
