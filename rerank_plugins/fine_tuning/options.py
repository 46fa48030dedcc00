"""The settings of a fine-tuning run."""

from __future__ import annotations

from dataclasses import dataclass

from rerank_plugins.checks.values import MINIMUM_MAX_LENGTH, check_positive_int, check_text
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option

MINIMUM_QUESTIONS = 10
"""Fewer leave nothing to split. It takes a few hundred to gain something."""


@dataclass(frozen=True, kw_only=True)
class FineTuningOptions:
    """How a cross-encoder is fine-tuned; the defaults suit some hundred to some thousand questions.

    Attributes:
        model: The cross-encoder to start from: `"embedded"`, a hub id or a folder.
        revision: Branch, tag or commit of a hub model.
        local_files_only: Never ask the hub; use what is in the cache.
        bi_encoder: A sentence-transformers model, hub id or folder, whose nearest passages are
            negatives beside BM25's. `None`: BM25 alone.
        questions: Most questions that are used, drawn from all; the passages of the others still
            stand among the candidates. `None`: all.
        epochs: How often every question is seen, if nothing stops it earlier.
        learning_rate: Peak; a tenth of the steps warm up to it, and it falls linearly to 0.
        batch_size: Questions of a step, each with one answer and its negatives.
        negatives: Passages beside each answer.
        max_length: Tokens of a pair in training; longer ones are cut. `None`: 256, or what the
            model reads if that is less. The saved model reads as much as before.
        development: Share of the questions that chooses which step is kept.
        held_out: Share of the questions that measures the model before and after.
        looks: How often an epoch the development questions are looked at.
        patience: Looks in a row that may bring nothing better before training stops.
        start_share: Share of the start's weights in the saved model, beside those that training
            arrived at: above 0, such as 0.5, it gives up part of the gain on these questions and
            keeps more of what the start knew of others (Wortsman et al., Robust fine-tuning of
            zero-shot models, CVPR 2022).
        depth: BM25 candidates a question that the measured models order.
        seed: Decides the split, the negatives and the order.

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
                message = f"{option(name, value)}: allowed is a number."
                raise InvalidInputError(message)
        for name in ("questions", "max_length"):
            if getattr(self, name) is not None:
                check_positive_int(getattr(self, name), name)
        for name in ("batch_size", "negatives", "looks", "patience", "depth"):
            check_positive_int(getattr(self, name), name)
        for name, allowed, fits in (
            (
                "questions",
                f"{MINIMUM_QUESTIONS} or more",
                self.questions is None or self.questions >= MINIMUM_QUESTIONS,
            ),
            ("epochs", "above 0, such as 2", self.epochs > 0),
            (
                "learning_rate",
                "above 0 and at most 0.01, such as 3e-5",
                0 < self.learning_rate <= 0.01,
            ),
            (
                "max_length",
                f"{MINIMUM_MAX_LENGTH} or more tokens",
                self.max_length is None or self.max_length >= MINIMUM_MAX_LENGTH,
            ),
            ("development", "0 or more and below 0.5", 0 <= self.development < 0.5),
            ("held_out", "0 or more and below 0.5", 0 <= self.held_out < 0.5),
            ("start_share", "0 or more and below 1", 0 <= self.start_share < 1),
            ("seed", "0 or more", self.seed >= 0),
        ):
            if not fits:
                message = f"{option(name, getattr(self, name))}: allowed is {allowed}."
                raise InvalidInputError(message)
