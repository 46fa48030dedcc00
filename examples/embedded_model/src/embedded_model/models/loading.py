"""The models that a run starts from, loaded and checked before any work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import BertForSequenceClassification, PreTrainedTokenizerBase

from embedded_model.models.comparison import Directions
from embedded_model.models.siamese import siamese_student
from embedded_model.models.student import (
    build_student,
    load_cross_teacher,
    load_start,
    load_tokenizer,
)
from embedded_model.questions.loading import Question
from embedded_model.recipe.config import TrainingConfig
from embedded_model.recipe.folders import find_base, start_folder
from rerank_plugins.errors import InvalidInputError


@dataclass(frozen=True)
class Models:
    """The models that a run computes with.

    Attributes:
        base: The bi-encoder's folder.
        tokenizer: Its tokenizer.
        student: The model to train, on the CPU; a siamese one is built from mined questions.
        directions: Directions along which a siamese student's last layer reads; else `None`.
        cross_teacher: The second teacher, if there is one.
    """

    base: Path
    tokenizer: PreTrainedTokenizerBase
    student: BertForSequenceClassification
    directions: Directions | None
    cross_teacher: BertForSequenceClassification | None


def load_models(config: TrainingConfig, model: Path, device: torch.device) -> Models:
    """Returns the models that a recipe starts from.

    Args:
        config: The recipe.
        model: The folder that the run saves its model in.
        device: Where the second teacher computes.

    Raises:
        InvalidInputError: A model is not there, does not fit the others, or lies where the run
            saves its own.
    """
    base = find_base(config.base)
    _refuse_own_model("base", base, model)
    if config.start is not None:
        _refuse_own_model("start", start_folder(config.start), model)
    if config.cross_teacher is not None:
        _refuse_own_model("cross_teacher", start_folder(config.cross_teacher), model)
    tokenizer = load_tokenizer(base)
    student = build_student(base, config.layers, config.seed)
    if config.start is not None:
        load_start(student, config.start)
    cross_teacher = None
    if config.cross_teacher is not None:
        cross_teacher = load_cross_teacher(
            config.cross_teacher, tokenizer, device, config.loop.precision
        )
        positions = cross_teacher.config.max_position_embeddings
        if positions < config.max_length:
            msg = (
                f"cross_teacher {config.cross_teacher!r} reads {positions} tokens, and max_length "
                f"is {config.max_length}; set max_length to {positions} or less."
            )
            raise InvalidInputError(msg)
    return Models(base, tokenizer, student, None, cross_teacher)


def with_siamese_student(
    models: Models,
    config: TrainingConfig,
    questions: list[Question],
    cache: Path,
    device: torch.device,
    progress: bool,
) -> Models:
    """Returns the models with a student that begins as its teacher, built and fitted.

    Args:
        models: The recipe's models.
        config: The recipe.
        questions: Mined questions with their vectors, to measure and fit on.
        cache: File that keeps the student; read where it exists.
        device: Where the fitting is computed.
        progress: Show a progress bar on standard error.
    """
    student, directions = siamese_student(
        models.base,
        config.layers,
        config.seed,
        models.tokenizer,
        questions,
        fit_steps=config.siamese_steps,
        distil_steps=config.distil_steps,
        device=device,
        precision=config.loop.precision,
        max_length=config.max_length,
        cache=cache,
        progress=progress,
    )
    return replace(models, student=student, directions=directions)


def _refuse_own_model(name: str, folder: Path, model: Path) -> None:
    if folder.resolve().is_relative_to(model.resolve()):
        msg = (
            f"{name} {str(folder)!r} lies in {model}, which the run writes over; give another "
            "output folder."
        )
        raise InvalidInputError(msg)
