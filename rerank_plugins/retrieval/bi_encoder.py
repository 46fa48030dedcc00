"""Loads a bi-encoder for negatives, as a first stage, or as a scorer to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.process.extras import require
from rerank_plugins.process.turn import in_turn

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load_bi_encoder(
    model: str, *, device: str | None = None, local_files_only: bool = False
) -> SentenceTransformer:
    """Returns a bi-encoder.

    Args:
        model: Folder or hub id of a sentence-transformers model.
        device: Where it runs; `None` lets the library choose.
        local_files_only: Whether to load without contacting the hub.

    Raises:
        InvalidInputError: The model cannot be loaded, or there is no such device.
        MissingExtraError: sentence-transformers is not installed.
    """
    library = require(
        "sentence_transformers", extra="sentence-transformers", purpose="A bi-encoder"
    )
    if device is not None:
        from rerank_plugins.process.device import find_device

        find_device(device)  # sentence-transformers would raise an error of torch
    from safetensors import SafetensorError  # comes with the library

    load = library.SentenceTransformer
    try:
        if Path(model).is_dir():
            load = in_turn(load)  # a hub model may download, which other loads need not wait for
        loaded: SentenceTransformer = load(
            model,
            device=device,
            local_files_only=local_files_only,
            model_kwargs={"use_safetensors": True},  # pickled weights can run code
        )
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        message = (
            f"{option('bi_encoder', model)} could not be loaded as a sentence-transformers model: "
            f"{reason}. Give a folder that holds one, or a hub id."
        )
        raise InvalidInputError(message) from error
    return loaded
