"""The first stage's opinion in `rerank eval`: a weight that is given, or found and saved."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import typer

from rerank_plugins.cli.errors import show
from rerank_plugins.cli.eval.scorers import Scorers
from rerank_plugins.cli.files import Writes, check_writable
from rerank_plugins.cli.progress import progress
from rerank_plugins.cli.ranking_options import ranking_arguments
from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.models.files import OWN_SETTINGS_FILE
from rerank_plugins.models.own_settings import read_own_settings, write_own_settings
from rerank_plugins.models.references import EMBEDDED, check_reference
from rerank_plugins.options import RANKING_OPTIONS
from rerank_plugins.ranking.stages import Stage, weight_of

if TYPE_CHECKING:
    from rerank_plugins.evaluation import Comparison, Configuration, Fusion, Order

Weight: TypeAlias = float | Literal["auto"] | None


def check_save_weight(configurations: "Iterable[Configuration]") -> None:
    """Checks before the work that each model's folder can take its weight.

    Raises:
        typer.BadParameter: A model has no folder of the user's, or is measured in several ways.
        InvalidInputError: A folder cannot be written.
        ModelError: A folder's settings are damaged.
    """
    models = Counter(each.model for each in configurations if not each.ranking)
    for model, count in models.items():
        folder = Path(check_reference(model)).expanduser()
        if model == EMBEDDED or not folder.is_dir():
            message = (
                f"--save-weight writes {OWN_SETTINGS_FILE} into a model's folder, and {model!r} is "
                "not a folder on this disk. Leave --save-weight out, and pass the weight that "
                "--fuse finds as an option: first_stage_weight=..."
            )
            raise typer.BadParameter(message)
        if count > 1:
            message = (
                f"--save-weight writes one weight into a model's folder, and {model!r} is measured "
                f"in {count} ways. Give one --backend, one --precision and one --max-length."
            )
            raise typer.BadParameter(message)
        read_own_settings(folder)
        check_writable(folder / OWN_SETTINGS_FILE)


def typed_weight(text: str | None, configurations: "Iterable[Configuration]") -> Weight:
    """Returns the weight of `--first-stage-weight`.

    Raises:
        InvalidInputError: It is no weight.
        typer.BadParameter: There is no model to add it to.
    """
    typed = {"first_stage_weight": text, "cascade": None, "time_budget": None}
    value = ranking_arguments(typed)["first_stage_weight"]
    weight: Weight = RANKING_OPTIONS["first_stage_weight"].check(value, "first_stage_weight")
    if weight is not None and all(each.ranking for each in configurations):
        message = (
            "--first-stage-weight is for models that are measured alone; give the rerankers of "
            "--options their own first_stage_weight in the file, or add --model."
        )
        raise typer.BadParameter(message)
    return weight


def weights_of(weight: Weight, scorers: Scorers) -> dict[str, float]:
    """Returns the weight of each model that is measured alone; `"auto"` is what its folder names.

    Raises:
        UnsupportedOptionError: The weight is `"auto"`, and no model names one.
    """
    if weight is None:
        return {}
    found: dict[str, float] = {}
    refusals = []
    for name in scorers.alone("--first-stage-weight"):
        try:
            found[name] = weight_of(Stage(scorers.rerankers[name].scorer, None, weight)) or 0.0
        except UnsupportedOptionError as error:
            refusals.append(error)
    if not found:
        raise refusals[0]
    for refusal in refusals:
        show("warning", str(refusal))
    return found


def weighted_orders(
    comparisons: "Sequence[Comparison]", weights: Mapping[str, float]
) -> "list[list[Order]]":
    """Returns the fused order of each model, in each comparison."""
    from rerank_plugins.evaluation import fused_order

    return [
        [
            fused_order(comparison, order, weight, f"{name} + first stage, {weight:g}")
            for comparison in comparisons
            for order in comparison.reranked
            if order.name == name
        ]
        for name, weight in weights.items()
    ]


def found_fusions(comparisons: "Sequence[Comparison]", scorers: Scorers) -> "list[Fusion]":
    """Returns what the first stage's opinion adds to each cross-encoder."""
    from rerank_plugins.evaluation import cross_fitted

    alone, found = scorers.alone("--fuse"), []
    with progress(len(alone), "model", "Fuse") as advance:
        for name, configuration in alone.items():
            found.append(cross_fitted(comparisons, name, configuration.arguments()))
            advance(1)
    return found


def save_weights(
    fusions: "Sequence[Fusion]",
    comparisons: "Sequence[Comparison]",
    scorers: Scorers,
    writes: Writes,
) -> None:
    """Writes each weight that is advised into its model's folder."""
    from rerank_plugins.evaluation import advice

    for fusion in fusions:
        if advice(fusion, comparisons).answer != "use":
            show("note", f"no weight is written for {fusion.name}, because none is advised")
            continue
        with writes.one():
            folder = Path(scorers.configurations[fusion.name].model).expanduser()
            settings = replace(read_own_settings(folder), first_stage_weight=fusion.weight)
            file = write_own_settings(folder, settings)
            show("note", f"first_stage_weight={fusion.weight:g} is written into {file}")
