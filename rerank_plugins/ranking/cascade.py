"""The stages of a cascade: their scorers, and the weight of each."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Self

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.values import described
from rerank_plugins.ranking.settings import Weight
from rerank_plugins.ranking.stages import Stage
from rerank_plugins.scoring.contract import Scorer


class Cascade:
    """The models that choose what the last one reads.

    Args:
        options: The stages, as `check_cascade` returns them.
        make: Makes a scorer of a stage's options.

    Raises:
        InvalidInputError: An option is not allowed, or a `scorer` is none.
    """

    def __init__(
        self, options: Sequence[Mapping[str, Any]] | None, make: Callable[..., Scorer]
    ) -> None:
        self._options = options or ()
        self._scorers = [
            _given(stage["scorer"], at) if "scorer" in stage else make(**_of_scorer(stage))
            for at, stage in enumerate(self._options)
        ]

    def __copy__(self) -> Self:
        """The same stages with copies of the scorers that this cascade made."""
        copied = object.__new__(type(self))
        copied._options = self._options
        copied._scorers = [
            scorer if "scorer" in options else copy(scorer)
            for scorer, options in zip(self._scorers, self._options, strict=True)
        ]
        return copied

    def stages(self, last: Scorer, weight: Weight) -> list[Stage]:
        """The stages and the last one, with the weight of the last.

        A stage that names no weight takes `"auto"` if the last one does. A number is of the last
        model's own scale, so no other model takes it.
        """
        inherited: Weight = "auto" if weight == "auto" else None
        return [
            *(
                Stage(scorer, options["keep"], options.get("first_stage_weight", inherited))
                for scorer, options in zip(self._scorers, self._options, strict=True)
            ),
            Stage(last, None, weight),
        ]

    @property
    def made(self) -> list[Scorer]:
        """The scorers that this cascade made and has to close."""
        return [
            scorer
            for scorer, options in zip(self._scorers, self._options, strict=True)
            if "scorer" not in options
        ]


def _of_scorer(stage: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a stage's scorer is made of."""
    return {name: one for name, one in stage.items() if name not in ("keep", "first_stage_weight")}


def _given(scorer: Any, at: int) -> Scorer:
    if not isinstance(scorer, Scorer):
        message = (
            f"cascade[{at}]: scorer must be a Scorer, but got {described(scorer)}. Pass "
            'CrossEncoderScorer(...), or name a model: {"model": "embedded", "keep": 30}.'
        )
        raise InvalidInputError(message)
    return scorer
