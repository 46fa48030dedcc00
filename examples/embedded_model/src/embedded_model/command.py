"""The command: a recipe and its sources in, a model folder out."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embedded_model.recipe.config import TrainingConfig
from rerank_plugins.errors import RerankError
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import command_options

if TYPE_CHECKING:
    from embedded_model.training.loop import TrainingResult


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a recipe and returns the exit code.

    0: done. 1: an error, in one line on standard error. 2: wrong usage. 130: interrupted.

    Args:
        arguments: What follows the command's name; `None` takes them from the process.
    """
    given = _parser().parse_args(arguments)
    with command_options():
        try:
            result = _train(given)
        except RerankError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        except KeyboardInterrupt:
            return 130
    sys.stdout.write(_report(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m embedded_model",
        description="Trains a small cross-encoder by a recipe. A stopped run goes on when it is "
        "started again.",
        epilog="Example: python -m embedded_model recipes/third-version.toml --data data "
        "--output run",
    )
    parser.add_argument("recipe", type=Path, help="TOML file of the recipe")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with one folder of pairs per source"
    )
    parser.add_argument(
        "--output", "-o", type=Path, required=True, help="folder for everything the run writes"
    )
    parser.add_argument(
        "--device", help="where to compute: cpu, cuda, cuda:1, mps (default: the GPU if any)"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="start anew instead of going on with the run there"
    )
    return parser


def _train(given: argparse.Namespace) -> TrainingResult:
    config = TrainingConfig.from_toml(given.recipe)
    from embedded_model.training.loop import train  # imports torch, which takes seconds

    return train(
        config,
        data=given.data,
        output=given.output,
        resume=not given.fresh,
        progress=sys.stderr.isatty(),
        device=given.device,
    )


def _report(result: TrainingResult) -> str:
    """A summary of the run, and a command to try its model."""
    figures = result.development
    return (
        f"{result.steps} steps in {result.seconds / 60:.1f} minutes.\n"
        f"Mean reciprocal rank on {figures.questions} held-out questions: "
        f"{figures.student:.3f} (BM25 {figures.lexical:.3f}, the teacher {figures.cosine:.3f}); "
        f"correlation with the teacher {figures.agreement:.2f}.\n"
        f"The model is in {result.model}\n"
        f"\nTry next:\n  {command('rerank')} demo --model {shlex.quote(str(result.model))}\n"
    )
