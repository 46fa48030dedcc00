"""Fine-tuning from the command line: data in, a model folder and a report out."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rerank_plugins.messages.commands import command

if TYPE_CHECKING:
    from rerank_plugins.fine_tuning import FineTuningResult, HeldOutFigures, TrainingFigures

_SIGNIFICANT = 0.05


def fine_tune_model(
    data: Path, *, output: Path, settings: dict[str, Any], fresh: bool, progress: bool
) -> "FineTuningResult":
    """Fine-tunes a model; continues an earlier run in `output` unless `fresh`.

    Raises:
        MissingExtraError: The packages for fine-tuning are not installed.
        InvalidInputError: A setting is not allowed, the data are broken, or `output` holds
            another run.
        ModelError: The model cannot be loaded.
    """
    from rerank_plugins.fine_tuning import FineTuningOptions, fine_tune

    options = FineTuningOptions(**settings)
    return fine_tune(data, output, options, resume=not fresh, progress=progress)


def fine_tune_report(result: "FineTuningResult") -> str:
    """Returns the report of a run: its figures, and commands to try next."""
    sizes, training = result.sizes, result.training
    parts = [
        f"{sizes.train} questions, {training.steps} steps in {training.seconds / 60:.1f} minutes"
        f"{_kept(training)}.\n"
    ]
    if result.held_out is None:
        parts.append("Nothing was measured: no question was held out.\n")
    else:
        parts.append(_change(result.held_out))
    parts.append(f"The model is in {result.model}\n\nTry next:\n")
    if result.collection is not None:
        depth = "" if result.held_out is None else f" --depth {result.held_out.depth}"
        collection, model = shlex.quote(str(result.collection)), shlex.quote(str(result.model))
        parts.append(f"  {command('rerank')} eval {collection} -m {model}{depth}\n")
    parts.append(f"  {command('rerank')} demo --model {shlex.quote(str(result.model))}\n")
    return "".join(parts)


def _kept(training: "TrainingFigures") -> str:
    if training.development_after is None:
        return ""
    if training.kept_step == 0:
        return "; none was better on the development questions, so the model is unchanged"
    return f", of which step {training.kept_step} is kept"


def _change(figures: "HeldOutFigures") -> str:
    moved = figures.change
    return (
        f"nDCG@10 x 100 of {figures.questions} held-out questions: "
        f"BM25 {100 * figures.first_stage:.1f}, before {100 * figures.before:.1f}, "
        f"after {100 * figures.after:.1f}.\n"
        f"Better on {moved.better}, worse on {moved.worse}, the same on {moved.unchanged}; "
        f"p = {moved.p_value:.4f}"
        f"{'' if moved.p_value < _SIGNIFICANT else ': the difference may be chance'}.\n"
    )
