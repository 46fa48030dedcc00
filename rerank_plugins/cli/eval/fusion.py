"""`rerank eval --fuse`: finds the weight of the first stage's opinion, and saves it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rerank_plugins.cli.errors import show
from rerank_plugins.cli.eval.scorers import Scorers
from rerank_plugins.cli.files import check_writable
from rerank_plugins.cli.progress import progress
from rerank_plugins.models.files import OWN_SETTINGS_FILE
from rerank_plugins.models.own_settings import OwnSettings, read_own_settings, write_own_settings
from rerank_plugins.models.references import EMBEDDED

if TYPE_CHECKING:
    from rerank_plugins.evaluation import Comparison, Configuration, Fusion


def check_save_weight(configurations: "Iterable[Configuration]") -> None:
    """Checks before the work that each model's folder can take its weight.

    Raises:
        typer.BadParameter: A model has no folder of the user's, or is measured in several ways.
        InvalidInputError: A folder cannot be written.
        ModelError: A folder's settings are damaged.
    """
    models = Counter(each.model for each in configurations if not each.ranking)
    for model, count in models.items():
        folder = Path(model).expanduser()
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


def found_fusions(comparisons: "Sequence[Comparison]", scorers: Scorers) -> "list[Fusion]":
    """Returns what the first stage's opinion adds to each cross-encoder."""
    from rerank_plugins.evaluation import cross_fitted

    alone = {}
    for name, each in scorers.configurations.items():
        if each.ranking:
            show("note", f"--fuse leaves {name} as it is, which has {', '.join(each.ranking)}")
        else:
            alone[name] = each
    found = []
    with progress(len(alone), "model", "Fuse") as advance:
        for name, configuration in alone.items():
            found.append(cross_fitted(comparisons, name, configuration.arguments()))
            advance(1)
    return found


def save_weights(
    fusions: "Sequence[Fusion]", comparisons: "Sequence[Comparison]", scorers: Scorers
) -> None:
    """Writes each weight that is advised into its model's folder.

    Raises:
        ModelError: The folder cannot be written.
    """
    from rerank_plugins.evaluation import advice

    for fusion in fusions:
        if advice(fusion, comparisons).answer == "use":
            folder = Path(scorers.configurations[fusion.name].model).expanduser()
            file = write_own_settings(folder, OwnSettings(fusion.weight))
            show("note", f"first_stage_weight={fusion.weight:g} is written into {file}")
        else:
            show("note", f"no weight is written for {fusion.name}, because none is advised")
