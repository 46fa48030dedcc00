"""The training run: from a recipe and a data folder to a cross-encoder folder."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers.util import get_device_name
from torch import nn
from tqdm import tqdm
from transformers import get_wsd_schedule

from embedded_model.models.chunks import pair_tokenizer
from embedded_model.models.loading import Models, load_models, with_siamese_student
from embedded_model.models.packed import can_pack
from embedded_model.models.precision import working_copy
from embedded_model.models.student import save_student
from embedded_model.models.teacher import teacher_of
from embedded_model.questions.loading import Questions, mine_questions
from embedded_model.questions.mining import Encoder
from embedded_model.recipe.config import TrainingConfig
from embedded_model.training.checkpoint import (
    Progress,
    check_checkpoint,
    is_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from embedded_model.training.development import DevelopmentFigures, measure
from embedded_model.training.feed import Step, Steps
from embedded_model.training.forward import step_logits
from embedded_model.training.groups import StepGroups
from embedded_model.training.loss import group_loss, reading_distance
from embedded_model.training.optimizer import build_optimizers, moving_average
from rerank_plugins.fine_tuning.blend import blend_in
from rerank_plugins.fine_tuning.run_folder import check_free, remove, sole_run, write_record
from rerank_plugins.models.json_files import read_json
from rerank_plugins.process.device import find_device

RECORD = "training.json"
"""Says that a folder is a run's; runs of before are known by their checkpoints."""

_WRITTEN_OVER = ("model", "model.partial", "checkpoint.pt", "log.jsonl")

SAVE_SECONDS = 600
"""A checkpoint is written after so long at the latest: steps can take a minute."""


@dataclass(frozen=True)
class TrainingResult:
    """The result of a run.

    Attributes:
        steps: Steps done, over all starts.
        seconds: Seconds spent on them.
        development: Figures over the held-out questions at the end.
        model: Folder that `CrossEncoder` loads.
    """

    steps: int
    seconds: float
    development: DevelopmentFigures
    model: Path


def train(
    config: TrainingConfig,
    *,
    data: Path,
    output: Path,
    resume: bool = True,
    progress: bool = True,
    encoder: Encoder | None = None,
    device: str | None = None,
) -> TrainingResult:
    """Trains a cross-encoder and returns where it lies and how it does.

    `output` receives `model/` (rewritten at every evaluation, so a run can be used before it
    ends), `mined/`, `vectors/` of `bi_teachers`, `checkpoint.pt`, `log.jsonl` and `training.json`,
    which says that the folder is a run's.

    Args:
        config: The recipe.
        data: Folder with one folder per source.
        output: Folder for everything the run writes.
        resume: Go on from the checkpoint in `output` where there is one; else it is removed.
        progress: Show a progress bar on standard error.
        encoder: The teacher; by default the recipe's bi-encoders. Nothing tells two encoders apart:
            give another output folder with another one.
        device: Where to compute, such as `cpu` or `cuda`; by default the GPU if there is one.
            A run may go on on another device than it began on.

    Raises:
        InvalidInputError: The recipe does not fit the data, its models or the checkpoint, a model
            it starts from lies where its own is written, `output` holds what no run made or
            another run is writing to it, or there is no such device.
    """
    place = find_device(device or get_device_name())
    models = load_models(config, output / "model", place)
    own = encoder is not None
    recipe = config.run_digest(data, own_encoder=own)
    checkpoint = output / "checkpoint.pt"
    if "recipe" not in read_json(output / RECORD) and not is_checkpoint(checkpoint):
        check_free(output, (RECORD, *_WRITTEN_OVER), "recipe's run")
    if resume and checkpoint.is_file():
        check_checkpoint(checkpoint, recipe)
    with sole_run(output):
        write_record(output / RECORD, {"recipe": recipe})
        if not resume:
            remove(checkpoint)  # else a start after this one would go on with it
        kept = {
            name: output / "vectors" / f"{config.bi_teacher_digest(name)}.sqlite"
            for name in config.bi_teachers
        }
        teacher = encoder or teacher_of(models.base, config.bi_teachers, place, kept)
        questions = mine_questions(config, data, output, teacher, progress, place, own_encoder=own)
        if config.siamese_steps:
            start = output / f"start-{config.start_digest(data, own_encoder=own)}.safetensors"
            models = with_siamese_student(models, config, questions.train, start, place, progress)
        run = _Run(config, models, output, questions, place, recipe)
        run.restore(resume=resume)
        return run.finish(progress)


class _Run:
    def __init__(
        self,
        config: TrainingConfig,
        models: Models,
        output: Path,
        questions: Questions,
        device: torch.device,
        recipe: str,
    ) -> None:
        self.config = config
        self.recipe = recipe
        self.output = output
        self.questions = questions
        self.tokenizer = models.tokenizer
        self.student, self.directions = models.student, models.directions
        nn.Module.to(self.student, device)  # the model's own wrapper of it has no usable type
        self.student.train()
        self.begun = None
        if config.start_share:
            self.begun = {n: values.clone() for n, values in self.student.state_dict().items()}
        self.copy = working_copy(self.student, config.loop.precision)
        self.average = moving_average(self.student, config.loop.average_decay)
        self.cross_teacher = models.cross_teacher
        self.optimizers = build_optimizers(self.student, config.loop)
        self.progress = Progress()
        picked = np.random.default_rng(config.seed).permutation(len(questions.development))
        self.development = [
            questions.development[i] for i in picked[: config.loop.development_questions]
        ]

    @property
    def checkpoint(self) -> Path:
        return self.output / "checkpoint.pt"

    @property
    def log_file(self) -> Path:
        return self.output / "log.jsonl"

    def restore(self, *, resume: bool) -> None:
        """Goes on from the checkpoint; the log keeps what it knows of."""
        if resume and self.checkpoint.is_file():
            self.progress = load_checkpoint(
                self.checkpoint,
                self.student,
                self.optimizers,
                self.average,
                self.recipe,
            )
            if self.copy is not None:
                self.copy.follow()
        if self.log_file.is_file():
            lines = self.log_file.read_text(encoding="utf-8").splitlines(keepends=True)
            whole = [line for line in lines if line.endswith("\n")]  # a killed run's last is not
            kept = [line for line in whole if json.loads(line)["step"] <= self.progress.step]
            self.log_file.write_text("".join(kept) if self.progress.step else "", encoding="utf-8")

    def finish(self, show: bool) -> TrainingResult:
        """Does the steps that are left, then measures and saves."""
        loop = self.config.loop
        schedules = [
            get_wsd_schedule(
                optimizer,
                num_warmup_steps=loop.warmup_steps,
                num_decay_steps=loop.decay_steps,
                num_training_steps=loop.steps,
                min_lr_ratio=loop.final_rate,
                last_epoch=self.progress.step - 1,
            )
            for optimizer in self.optimizers
        ]
        bar = tqdm(total=loop.steps, initial=self.progress.step, unit="step", disable=not show)
        device = self.student.device
        steps = Steps(
            StepGroups(self.questions.train, loop, self.config.seed).of,
            pair_tokenizer(self.tokenizer, self.config.max_length),
            chunk_tokens=loop.chunk_tokens,
            packed=self.copy is not None and can_pack(device),
            vectors=self.directions is not None,
        )
        last = saved = time.monotonic()
        with bar:
            for made in steps.load(self.progress.step, loop.steps, device):
                loss, accuracy = self.step(made)
                for schedule in schedules:
                    schedule.step()
                now = time.monotonic()
                self.progress.step += 1
                self.progress.seconds += now - last
                last = now
                bar.update()
                bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.2f}", refresh=False)
                self.log(loss=loss, accuracy=accuracy, rate=schedules[0].get_last_lr()[0])
                if self.progress.step % loop.checkpoint_every == 0 or now - saved >= SAVE_SECONDS:
                    self.save()
                    saved = now
                if (
                    self.progress.step % loop.evaluate_every == 0
                    and self.progress.step < loop.steps
                ):
                    self.evaluate()
                    last = time.monotonic()
        self.save()
        figures = self.evaluate()
        return TrainingResult(
            self.progress.step, self.progress.seconds, figures, self.output / "model"
        )

    def save(self) -> None:
        save_checkpoint(
            self.checkpoint,
            self.student,
            self.optimizers,
            self.average,
            self.progress,
            self.recipe,
        )

    def step(self, made: Step) -> tuple[float, float]:
        student = self.student if self.copy is None else self.copy.model
        logits, read, cross = step_logits(student, self.cross_teacher, made)
        targets = made.targets.to(self.student.device)
        loss, accuracy = group_loss(logits, targets, self.config.loop, cross)
        if self.directions is not None:
            loss = loss + self.vector_weight() * reading_distance(read, targets, self.directions)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.copy is not None:
            self.copy.hand_over_gradients()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if self.copy is not None:
            self.copy.follow()
        if self.average is not None:
            self.average.update_parameters(self.student)
        return float(loss.detach()), float(accuracy)

    def vector_weight(self) -> float:
        loop = self.config.loop
        done = self.progress.step / loop.steps
        return loop.vector_weight + done * (loop.final_vector_weight - loop.vector_weight)

    def evaluate(self) -> DevelopmentFigures:
        best: Any = self.student if self.average is None else self.average.module
        if self.begun is not None:
            best = copy.deepcopy(best)
            blend_in(best, self.begun, self.config.start_share)
        figures = measure(
            best,
            self.tokenizer,
            self.development,
            self.config.max_length,
            self.config.loop.chunk_tokens,
        )
        self.log(development=asdict(figures))
        save_student(best, self.tokenizer, self.output / "model", max_length=self.config.max_length)
        return figures

    def log(self, **entry: object) -> None:
        entry = {"step": self.progress.step, "seconds": round(self.progress.seconds, 1), **entry}
        with self.log_file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry) + "\n")
