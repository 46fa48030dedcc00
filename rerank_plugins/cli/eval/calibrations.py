"""The calibrations that `rerank eval` measures."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import typer

from rerank_plugins.cli.eval.scorers import Scorers
from rerank_plugins.ranking.calibrating import Calibrator

if TYPE_CHECKING:
    from rerank_plugins.calibration.curves import Curve
    from rerank_plugins.evaluation.configurations import Configuration


def check_calibration(source: str | None, configurations: "Iterable[Configuration]") -> None:
    """Checks before the work that `--calibration` has a model to measure.

    Raises:
        typer.BadParameter: No model is measured alone.
    """
    if source is not None and all(each.ranking for each in configurations):
        message = (
            "--calibration measures models that are measured alone; leave it out, or add --model."
        )
        raise typer.BadParameter(message)


def curves_of(
    source: str | None, weights: Mapping[str, float], scorers: Scorers
) -> "dict[str, tuple[float, Curve]]":
    """Returns the weight and the curve of each model that is measured alone.

    Args:
        source: The file of calibrations, or `"auto"`; `None` measures none.
        weights: The weight of the first stage's opinion, where there is one.
        scorers: The models.

    Raises:
        InvalidInputError: The file cannot be read, or belongs to other scores.
        UnsupportedOptionError: A model has no calibration.
    """
    if source is None:
        return {}
    found = {}
    for name in scorers.alone("--calibration"):
        weight = weights.get(name, 0.0)
        scorer = scorers.rerankers[name].scorer
        found[name] = weight, Calibrator(source).curve(scorer, weight)
    return found
