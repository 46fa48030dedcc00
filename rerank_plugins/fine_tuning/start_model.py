"""Loads the models that a run starts from and checks them before any work is done."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

from rerank_plugins.errors import InvalidInputError, LabelRequiredError
from rerank_plugins.fine_tuning.options import FineTuningOptions
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.location import locate
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.turn import in_turn
from rerank_plugins.retrieval.bi_encoder import load_bi_encoder
from rerank_plugins.scorer import CrossEncoderScorer

_MAX_LENGTH = 256


def starting_scorer(options: FineTuningOptions) -> CrossEncoderScorer:
    """Returns a scorer of the model before training, after checking that it can be trained.

    Raises:
        ModelError: The model cannot be loaded, or cannot read `max_length` tokens.
        InvalidInputError: The model's head has several columns.
    """
    scorer, trained = (
        CrossEncoderScorer(
            options.model,
            revision=options.revision,
            local_files_only=options.local_files_only,
            max_length=max_length,
        )
        for max_length in (None, options.max_length)
    )
    try:
        trained.warm_up()  # raises the errors that users know from scoring
    except LabelRequiredError as error:
        message = (
            f"{options.model!r} has a head with several columns, and fine-tuning trains a head "
            f"with one. Choose a model with one column, for example {option('model', 'embedded')}."
        )
        raise InvalidInputError(message) from error
    trained.close()
    return scorer


def load_for_training(options: FineTuningOptions) -> tuple[CrossEncoder, int | None]:
    """Returns the model in fp32 with the training's limit in tokens, and the model's own limit."""
    model = _load(starting_folder(options))
    own_length = model.max_seq_length
    model.max_seq_length = options.max_length or min(_MAX_LENGTH, own_length or _MAX_LENGTH)
    return model, own_length


@in_turn
def _load(folder: Path) -> CrossEncoder:
    model: CrossEncoder = CrossEncoder(
        str(folder),
        local_files_only=True,
        model_kwargs={"dtype": torch.float32, "use_safetensors": True},
    )
    return model


def starting_folder(options: FineTuningOptions) -> Path:
    """Returns the folder of the model to start from.

    Raises:
        ModelError: The model cannot be found or read.
    """
    return locate(
        ModelSettings(
            options.model, revision=options.revision, local_files_only=options.local_files_only
        )
    )


def bi_encoder_of(options: FineTuningOptions) -> SentenceTransformer | None:
    """Returns the bi-encoder that mines negatives, or `None` if the options name none.

    Raises:
        InvalidInputError: The bi-encoder cannot be loaded.
    """
    if options.bi_encoder is None:
        return None
    return load_bi_encoder(options.bi_encoder, local_files_only=options.local_files_only)
