"""Training from the command line: a recipe and a data folder in, a model folder out."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rerank_plugins.training import TrainingResult

SHIPPED_RECIPE = Path(__file__).parent.parent / "training" / "embedded.toml"
"""The recipe that made the embedded model."""


def train_model(
    config: Path, *, data: Path, output: Path, fresh: bool, progress: bool
) -> "TrainingResult":
    """Trains, or goes on with what lies in `output` unless `fresh`.

    Raises:
        MissingExtraError: What training needs is not installed.
        InvalidInputError: The recipe does not fit the data or what lies in `output`.
    """
    from rerank_plugins.training import TrainingConfig, train

    recipe = TrainingConfig.from_toml(config)
    return train(recipe, data=data, output=output, resume=not fresh, progress=progress)


def report(result: "TrainingResult") -> str:
    """What a run made, and what to try with it."""
    figures = result.development
    return (
        f"{result.steps} steps in {result.seconds / 60:.1f} minutes.\n"
        f"Mean reciprocal rank on {figures.questions} held-out questions: "
        f"{figures.student:.3f} (BM25 {figures.lexical:.3f}, the teacher {figures.cosine:.3f}).\n"
        f"The model is in {result.model}\n"
        f"\nTry next:\n  rerank demo --model {result.model}\n"
    )
