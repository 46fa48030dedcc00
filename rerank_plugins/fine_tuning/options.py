"""The settings of a fine-tuning run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rerank_plugins.checks.values import (
    MINIMUM_MAX_LENGTH,
    check_count,
    check_positive_int,
    check_text,
)
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option

MINIMUM_QUESTIONS = 10
"""Fewer questions cannot be split into three parts. A gain takes a few hundred."""


@dataclass(frozen=True, kw_only=True)
class FineTuningOptions:
    """The settings of a fine-tuning run; the defaults suit hundreds to thousands of questions.

    Attributes:
        model: The cross-encoder to start from: `"embedded"`, a hub id or a folder.
        revision: Branch, tag or commit of a hub model.
        local_files_only: Never contact the hub; use only models in the cache.
        bi_encoder: A sentence-transformers model, hub id or folder, that finds negatives in
            addition to BM25. `None` uses BM25 alone.
        questions: Use at most this many questions, drawn at random; the passages of the others
            remain candidates. `None` uses all.
        epochs: Passes over the questions, unless training stops earlier.
        learning_rate: Peak learning rate; it warms up over the first tenth of the steps and then
            falls linearly to 0.
        batch_size: Questions per step, each with one answer and its negatives.
        negatives: Negatives per answer.
        max_length: Tokens per pair in training; longer pairs are cut. `None` takes 256, or the
            model's own limit if that is less. The saved model keeps its own limit.
        development: Share of the questions that decides which step is kept.
        held_out: Share of the questions that measures the model before and after.
        looks: Evaluations on the development questions per epoch.
        patience: Evaluations in a row without improvement before training stops.
        start_share: Share of the starting weights in the saved model. A value above 0, such as
            0.5, gives up part of the gain on these questions and keeps more of the quality on
            others (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).
        depth: BM25 candidates per held-out question.
        seed: Seed of the split, the negatives and the order.

    Raises:
        InvalidInputError: A value is not allowed.
    """

    model: str = "embedded"
    revision: str | None = None
    local_files_only: bool = False
    bi_encoder: str | None = None
    questions: int | None = None
    epochs: float = 2.0
    learning_rate: float = 3e-5
    batch_size: int = 8
    negatives: int = 4
    max_length: int | None = None
    development: float = 0.1
    held_out: float = 0.2
    looks: int = 2
    patience: int = 3
    start_share: float = 0.0
    depth: int = 50
    seed: int = 13

    def __post_init__(self) -> None:
        check_text(self.model, "model")
        if self.bi_encoder is not None:
            check_text(self.bi_encoder, "bi_encoder")
        for name in ("epochs", "learning_rate", "development", "held_out", "start_share"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                message = f"{option(name, value)} is not allowed. Give a number."
                raise InvalidInputError(message)
        for name in ("questions", "max_length"):
            if getattr(self, name) is not None:
                check_positive_int(getattr(self, name), name)
        for name in ("batch_size", "negatives", "looks", "patience", "depth"):
            check_positive_int(getattr(self, name), name)
        check_count(self.seed, "seed")
        for name, allowed, fits in (
            (
                "questions",
                f"{MINIMUM_QUESTIONS} or more",
                self.questions is None or self.questions >= MINIMUM_QUESTIONS,
            ),
            ("epochs", "a number above 0, such as 2", 0 < self.epochs < math.inf),
            (
                "learning_rate",
                "a number above 0 and at most 0.01, such as 3e-5",
                0 < self.learning_rate <= 0.01,
            ),
            (
                "max_length",
                f"{MINIMUM_MAX_LENGTH} or more tokens",
                self.max_length is None or self.max_length >= MINIMUM_MAX_LENGTH,
            ),
            ("development", "0 or a share below 0.5", 0 <= self.development < 0.5),
            ("held_out", "0 or a share below 0.5", 0 <= self.held_out < 0.5),
            ("start_share", "0 or a share below 1", 0 <= self.start_share < 1),
            ("seed", "a whole number below 4294967296", self.seed < 2**32),
        ):
            if not fits:
                message = f"{option(name, getattr(self, name))} is not allowed. Give {allowed}."
                raise InvalidInputError(message)
