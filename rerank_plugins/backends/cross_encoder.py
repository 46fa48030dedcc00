"""Loads a `CrossEncoder` of sentence-transformers, and describes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rerank_plugins.backends.description import INPUTS, UNBOUNDED, ModelDescription
from rerank_plugins.backends.tables import check_ids, positions_of, vocabulary_of
from rerank_plugins.backends.weights import check_config, check_weights
from rerank_plugins.errors import (
    MissingExtraError,
    ModelError,
    NotACrossEncoderError,
    RerankError,
    UnsupportedOptionError,
)
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.damage import check_vocabulary, check_whole
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.extras import require
from rerank_plugins.process.turn import in_turn

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@in_turn
def load_cross_encoder(
    settings: ModelSettings, folder: Path, *, device: str | None, precision: str
) -> "CrossEncoder":
    """The model in `folder`, ready to score, on `device` in `precision`.

    Raises:
        ModelError: The model cannot be loaded or does not fit the settings.
        MissingExtraError: sentence-transformers is not installed.
    """
    library = require(
        "sentence_transformers",
        extra="sentence-transformers",
        purpose=f"Running {settings.model!r} in torch",
    )

    def opened(**model_kwargs: Any) -> "CrossEncoder":
        with no_loading_bar():
            loaded: CrossEncoder = library.CrossEncoder(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=settings.trust_remote_code,
                model_kwargs={
                    "dtype": DTYPES[precision],
                    "use_safetensors": True,
                    **model_kwargs,
                },
            )
            check_weights(loaded, folder, settings.model)
            return loaded

    try:
        check_config(folder, settings.model)
        model = opened()
        if files := getattr(
            model.tokenizer, "vocab_files_names", {}
        ):  # models that read bytes need none
            check_vocabulary(folder, settings.model, files.values())
        check_ids(model, settings.model)
    except RerankError:
        raise
    except Exception as error:
        if "ignore_mismatched_sizes" in str(error):
            opened(ignore_mismatched_sizes=True)  # raises an error that names the weights
        check_whole(folder, settings.model)
        raise _loading_error(error, settings.model, folder, device) from error
    model.eval()
    return model


def _loading_error(error: Exception, name: str, folder: Path, device: str | None) -> RerankError:
    """The exception from loading, as an error that says what to do."""
    from safetensors import SafetensorError

    if isinstance(error, ImportError):
        return MissingExtraError(f"Loading {name!r} needs a package that is missing: {error}")
    if isinstance(error, (OSError, SafetensorError)):
        message = (
            f"The files of {name!r} are damaged or incomplete: {error}. Save the model again; for "
            f"a hub model, delete it from the cache ({command('hf')} cache rm) and load it again."
        )
        return ModelError(message)
    if isinstance(error, ValueError):
        if reason := _tokenizer_failure(folder):
            return ModelError(f"The tokenizer of {name!r} could not be loaded: {reason}")
        return NotACrossEncoderError(f"{name!r} could not be loaded as a cross-encoder: {error}")
    if isinstance(error, (RuntimeError, AssertionError)) and device not in (None, "cpu"):
        message = (
            f"{option('device', device)} cannot be used here: {error}. "
            f"Pass {option('device', 'cpu')}, or leave it out to let the backend choose."
        )
        return UnsupportedOptionError(message)
    return ModelError(f"{name!r} could not be loaded: {type(error).__name__}: {error}")


def _tokenizer_failure(folder: Path) -> str:
    """The error of loading the tokenizer alone, which is clearer than the one with the model."""
    from transformers import AutoTokenizer

    try:
        AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def describe(model: "CrossEncoder") -> ModelDescription:
    """The description of a model for which `takes_token_ids` is true."""
    limit, vocabulary, padding = positions_of(model), vocabulary_of(model), 0
    if model.tokenizer.pad_token_id in range(vocabulary or UNBOUNDED):
        padding = model.tokenizer.pad_token_id
    return ModelDescription(
        tokenizer=model.tokenizer.backend_tokenizer.to_str(),
        pad_id=padding,
        limit=limit,
        default_length=default_length(model, limit),
        vocabulary=vocabulary,
        columns=model.num_labels,
        labels=label_names(model),
        # Without a mask the model would read padding, unlike for a pair alone.
        inputs=tuple(
            name
            for name in INPUTS
            if name == "attention_mask" or name in model.tokenizer.model_input_names
        ),
        default_prompt=default_prompt(model),
    )


def takes_token_ids(model: "CrossEncoder") -> bool:
    """Whether the model reads only the token ids of a pair from its fast tokenizer.

    The tokenizer must also cut pairs in the usual way: the end of the longer text first.
    """
    transformer: Any = model[0]
    modalities = getattr(transformer, "modality_config", {"text": None})
    return (
        getattr(transformer, "transformer_task", None) == "sequence-classification"
        and "message" not in modalities
        and getattr(model.tokenizer, "is_fast", False)
        and model.tokenizer.truncation_side == "right"
        and not transformer.processing_kwargs.get("text")
    )


def default_length(model: "CrossEncoder", limit: int | None) -> int:
    """The length at which `predict` cuts pairs: the one saved with the model, at most `limit`."""
    lengths = (model.max_seq_length, limit, UNBOUNDED)
    return min(int(length) for length in lengths if length)


def label_names(model: "CrossEncoder") -> dict[int, str]:
    """The names of the head's columns, by their index."""
    names = getattr(model.config, "id2label", None) or {}
    return {int(index): str(name) for index, name in names.items()}


def default_prompt(model: "CrossEncoder") -> str:
    """What `predict` puts before pairs without being told; `""` is nothing."""
    name = model.default_prompt_name
    return "" if name is None else model.prompts.get(name) or ""


@contextmanager
def no_loading_bar() -> Iterator[None]:
    """Keeps transformers from drawing a progress bar when it loads or saves a model."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()
