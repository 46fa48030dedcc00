"""The calibrations that `rerank eval` measures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rerank_plugins.cli.eval.scorers import Scorers
from rerank_plugins.ranking.calibrating import Calibrator

if TYPE_CHECKING:
    from rerank_plugins.calibration.curves import Curve


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
    for name, configuration in scorers.configurations.items():
        if not configuration.ranking:
            weight = weights.get(name, 0.0)
            scorer = scorers.rerankers[name].scorer
            found[name] = weight, Calibrator(source).curve(scorer, weight)
    return found
