"""The options of a model among the flat options of a reranker, with a ready scorer or without."""

from collections.abc import Mapping, Sequence
from typing import Any

from rerank_plugins.checks.declaration import changed
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.options.scorer import SCORER_OPTIONS, SHARED_BY_STAGES


def check_known(model: Mapping[str, Any]) -> None:
    """Checks the names of a model's options.

    Raises:
        InvalidInputError: There is no such option.
    """
    if unknown := model.keys() - SCORER_OPTIONS.keys():
        message = (
            f"{', '.join(f'{name}=' for name in sorted(unknown))} cannot be used here. "
            f"The options of the model are {', '.join(SCORER_OPTIONS)}."
        )
        raise InvalidInputError(message)


def common_to_stages(cascade: Sequence[Mapping[str, Any]] | None) -> tuple[str, ...]:
    """The options of a scorer that the models of a cascade share; none if it names no model."""
    return SHARED_BY_STAGES if any("model" in stage for stage in cascade or ()) else ()


def beside_scorer(
    model: Mapping[str, Any], cascade: Sequence[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """The options of a model that are set beside `scorer=`: the models of the cascade share them.

    Raises:
        InvalidInputError: No model would use one of them, or its value is not allowed.
    """
    given = changed(model, SCORER_OPTIONS)
    if ignored := [name for name in given if name not in common_to_stages(cascade)]:
        message = (
            f"scorer= and {', '.join(f'{name}=' for name in ignored)} exclude each other: "
            "a ready scorer has its model and options already. Give these to the "
            "CrossEncoderScorer that you pass, or leave scorer= out."
        )
        raise InvalidInputError(message)
    return {name: SCORER_OPTIONS[name].check(value, name) for name, value in given.items()}
