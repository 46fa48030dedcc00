"""Trains with sentence-transformers' `CrossEncoderTrainer` and early stopping."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import (
    CrossEncoder,
    CrossEncoderTrainer,
    CrossEncoderTrainingArguments,
)
from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator
from sentence_transformers.cross_encoder.losses import ListNetLoss
from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.fine_tuning.blend import blend_in
from rerank_plugins.fine_tuning.measuring import DEVELOPMENT_METRIC
from rerank_plugins.fine_tuning.mining import TrainingRow
from rerank_plugins.fine_tuning.options import FineTuningOptions
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.json_files import read_json
from rerank_plugins.process.turn import in_turn

_ANSWER_LABEL = 30.0
"""ListNet's target is the softmax of the labels; with 30 against 0, all of it is on the answer."""


@dataclass(frozen=True)
class TrainingFigures:
    """Figures about the training.

    Attributes:
        steps: Steps done, including those before the run was resumed.
        kept_step: The step whose weights are kept; 0 if no step was better than the start.
        seconds: Seconds since the run was last started, including evaluations.
        development_before: nDCG@10 on the development questions before training; `None` if there
            are none.
        development_after: nDCG@10 on the development questions with the kept weights.
    """

    steps: int
    kept_step: int
    seconds: float
    development_before: float | None
    development_after: float | None


def train(
    model: CrossEncoder,
    rows: Sequence[TrainingRow],
    evaluator: CrossEncoderRerankingEvaluator | None,
    options: FineTuningOptions,
    *,
    checkpoints: Path,
    progress: bool,
) -> TrainingFigures:
    """Trains `model` in place, continuing from the last checkpoint in `checkpoints`.

    The loss is the cross-entropy of a softmax over an answer and its negatives: ListNet (Cao et
    al., ICML 2007) with all of the target on the answer. Unlike a pointwise loss, it needs no
    weight that balances answers against negatives. Its gradient goes where the order is wrong,
    which matters when there are few questions. The embedded model was made with it, so logits stay
    close to where they were. The loss only sees differences within a question, so thresholds have
    to be chosen again.

    With an evaluator, the best weights on the development questions are kept, which can be the
    starting weights; without one, the last weights are kept. If training changed the weights,
    `start_share` of the starting weights is mixed in. Training that had already stopped is not
    continued.

    Args:
        model: A cross-encoder with one column.
        rows: The training rows.
        evaluator: Measures the model on the development questions.
        options: The settings.
        checkpoints: Folder for checkpoints; two are kept.
        progress: Show a progress bar on standard error.

    Raises:
        InvalidInputError: The checkpoint with the weights to keep is gone.
    """
    start = time.monotonic()
    before = None if evaluator is None else float(evaluator(model)[DEVELOPMENT_METRIC])
    untrained = {name: values.clone() for name, values in model.state_dict().items()}
    model.model_card_data.local_files_only = True
    model.model_card_data.generate_widget_examples = False
    trainer = CrossEncoderTrainer(
        model=model,
        args=_arguments(model, options, len(rows), evaluator is not None, checkpoints, progress),
        train_dataset=_dataset(rows),
        loss=ListNetLoss(model),
        evaluator=evaluator,
        callbacks=[EarlyStoppingCallback(options.patience)] if evaluator is not None else [],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    if progress:
        trainer.add_callback(_Progress())
    last = _last_checkpoint(checkpoints)
    if last is not None and _had_stopped(last):
        trainer.state = TrainerState.load_from_json(str(last / TRAINER_STATE_NAME))
    else:
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    steps, best = trainer.state.global_step, trainer.state.best_metric
    kept, after = trainer.state.best_global_step or steps, best
    if before is not None and (best is None or best < before):
        model.load_state_dict(untrained)
        kept, after = 0, before
    else:
        # The trainer loads the best weights from the folder's old path, which may have moved.
        _load(model, checkpoints / f"checkpoint-{kept}")
        if options.start_share:
            blend_in(model, untrained, options.start_share)
            after = None if evaluator is None else float(evaluator(model)[DEVELOPMENT_METRIC])
    model.eval()
    return TrainingFigures(steps, kept, time.monotonic() - start, before, after)


def _dataset(rows: Sequence[TrainingRow]) -> Dataset:
    return Dataset.from_dict(
        {
            "query": [row.query for row in rows],
            "passages": [[row.answer, *row.negatives] for row in rows],
            "labels": [[_ANSWER_LABEL, *(0.0 for _ in row.negatives)] for row in rows],
        }
    )


def _arguments(
    model: CrossEncoder,
    options: FineTuningOptions,
    rows: int,
    looks: bool,
    checkpoints: Path,
    progress: bool,
) -> CrossEncoderTrainingArguments:
    epoch = math.ceil(rows / options.batch_size)
    every = max(1, min(epoch // options.looks, math.ceil(epoch * options.epochs)))
    return CrossEncoderTrainingArguments(
        output_dir=str(checkpoints.resolve()),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=0.1,
        weight_decay=0.01,
        seed=options.seed,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        eval_strategy="steps" if looks else "no",
        eval_steps=every if looks else None,
        load_best_model_at_end=looks,
        metric_for_best_model=f"eval_{DEVELOPMENT_METRIC}" if looks else None,
        greater_is_better=True if looks else None,
        restore_callback_states_from_checkpoint=True,
        logging_strategy="no",
        # A saved prompt is added whenever the model scores, but in training only if given here.
        prompts=model.prompts.get(model.default_prompt_name or "") or None,
        dataloader_pin_memory=torch.cuda.is_available(),  # pinning warns without an accelerator
        report_to="none",
        disable_tqdm=not progress,
    )


def _last_checkpoint(folder: Path) -> Path | None:
    """The last complete checkpoint; the state file is written last, and may be cut short."""
    states = folder.glob(f"checkpoint-*/{TRAINER_STATE_NAME}")
    done = [path.parent for path in states if "stateful_callbacks" in read_json(path)]
    return max(done, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)


def _had_stopped(checkpoint: Path) -> bool:
    """Whether training had ended at this checkpoint; the trainer would not remember it."""
    callbacks = read_json(checkpoint / TRAINER_STATE_NAME)["stateful_callbacks"]
    return bool(callbacks["TrainerControl"]["args"]["should_training_stop"])


@in_turn
def _load(model: CrossEncoder, checkpoint: Path) -> None:
    """Loads a checkpoint's weights into the model."""
    if not (checkpoint / "model.safetensors").is_file():
        message = (
            f"{checkpoint} is gone, and with it the weights to keep. Start again with "
            f"{option('resume', False)}, or put the checkpoint back."
        )
        raise InvalidInputError(message)
    kept = CrossEncoder(
        str(checkpoint), local_files_only=True, model_kwargs={"dtype": torch.float32}
    )
    model.load_state_dict(kept.state_dict())


class _Progress(ProgressCallback):
    """A progress bar without log lines, which would go to standard output."""

    def on_log(self, *args: Any, **options: Any) -> None:
        """Writes nothing."""
