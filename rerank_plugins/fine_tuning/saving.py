"""Saves the model folder of a run: weights, tokenizer, and a card."""

from __future__ import annotations

import shutil
from pathlib import Path

from sentence_transformers import CrossEncoder

from rerank_plugins import __version__
from rerank_plugins.fine_tuning.measuring import MEASURE, HeldOutFigures
from rerank_plugins.fine_tuning.options import FineTuningOptions
from rerank_plugins.fine_tuning.result import DataSizes
from rerank_plugins.fine_tuning.trainer import TrainingFigures
from rerank_plugins.messages.names import model_name


def save_model(model: CrossEncoder, folder: Path, own_length: int | None) -> None:
    """Saves the model for `CrossEncoder` and every wrapper, whole or not at all.

    Args:
        model: The trained model.
        folder: The folder to write, or to replace.
        own_length: The model's own limit in tokens, which training may have lowered.
    """
    model.max_seq_length = own_length
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(str(partial), create_model_card=False)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def write_card(
    folder: Path,
    *,
    name: str,
    sizes: DataSizes,
    options: FineTuningOptions,
    training: TrainingFigures,
    held_out: HeldOutFigures | None,
) -> None:
    """Writes the model's README: training data, settings, and figures before and after."""
    base = model_name(options.model) if Path(options.model).is_dir() else options.model
    (folder / "README.md").write_text(
        _HEAD
        + "\n\n".join(
            (
                f"# {base} fine-tuned on {name}",
                f"A cross-encoder that scores how well a passage answers a question: "
                f"`{base}` fine-tuned by rerank-plugins {__version__}.",
                _USE,
                "## What changed",
                _figures(held_out),
                _selection(training),
                "## What it learned from",
                f"{sizes.train} questions for training, {sizes.development} to choose when to "
                f"stop, {sizes.held_out} held out; {sizes.rows} answers, each with up to "
                f"{options.negatives} negatives from {sizes.passages} passages "
                f"({_miners(options)}). The three parts share no question and no answer.",
                "## Settings",
                _settings(options, training),
                f"The licences of `{base}` and of the data apply.",
            )
        )
        + "\n",
        encoding="utf-8",
    )


_HEAD = """---
library_name: sentence-transformers
pipeline_tag: text-ranking
tags:
- cross-encoder
- reranker
---

"""

_USE = """```python
from rerank_plugins import CrossEncoderScorer

scorer = CrossEncoderScorer("path/to/this/folder")
scores = scorer.score("a question", ["a passage", "another passage"])
```

`sentence_transformers.CrossEncoder` loads the folder too."""


def _figures(held_out: HeldOutFigures | None) -> str:
    if held_out is None:
        return "Nothing was measured: no question was held out."
    moved = held_out.change
    return (
        f"{MEASURE} x 100 of BM25's top {held_out.depth}, over {held_out.questions} held-out "
        "questions:\n\n"
        "| order | value |\n|---|---:|\n"
        f"| BM25 | {100 * held_out.first_stage:.1f} |\n"
        f"| before | {100 * held_out.before:.1f} |\n"
        f"| after | {100 * held_out.after:.1f} |\n\n"
        f"Better on {moved.better} questions, worse on {moved.worse}, the same on "
        f"{moved.unchanged}; p = {moved.p_value:.4f} (paired randomisation test)."
    )


def _selection(training: TrainingFigures) -> str:
    if training.development_before is None or training.development_after is None:
        return f"The weights are from the last of {training.steps} steps."
    figures = (
        f"{100 * training.development_before:.1f} before, "
        f"{100 * training.development_after:.1f} with the weights that were kept"
    )
    if training.kept_step == 0:
        return (
            f"None of the {training.steps} steps was better on the development questions than the "
            f"start ({figures}), so these are the weights that training started from."
        )
    return (
        f"The weights are from step {training.kept_step} of {training.steps}, the best on the "
        f"development questions ({figures})."
    )


def _miners(options: FineTuningOptions) -> str:
    return "BM25" if options.bi_encoder is None else f"BM25 and {model_name(options.bi_encoder)}"


def _settings(options: FineTuningOptions, training: TrainingFigures) -> str:
    rows = {
        "maximum epochs": f"{options.epochs:g}",
        "learning rate": f"{options.learning_rate:g}",
        "questions per step": options.batch_size,
        "tokens per pair": options.max_length or "256, or the model's own limit if less",
        "patience": f"{options.patience} evaluations, {options.looks} per epoch",
        "share of the starting weights": f"{options.start_share:g}",
        "seed": options.seed,
        "minutes": f"{training.seconds / 60:.1f}",
    }
    lines = (f"| {name} | {value} |" for name, value in rows.items())
    return "| setting | value |\n|---|---|\n" + "\n".join(lines)
