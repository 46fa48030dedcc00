"""A folder -> sentence-transformers' `CrossEncoder`, and what there is to know about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rerank_plugins._extras import require
from rerank_plugins._model import ModelSettings
from rerank_plugins._spelling import option
from rerank_plugins._turn import in_turn
from rerank_plugins.backends._description import INPUTS, ModelDescription
from rerank_plugins.errors import ModelError, NotACrossEncoderError, UnsupportedOptionError

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
    from safetensors import SafetensorError

    try:
        with no_loading_bar():
            model: CrossEncoder = library.CrossEncoder(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=settings.trust_remote_code,
                model_kwargs={"dtype": DTYPES[precision], "use_safetensors": True},
            )
    except (RuntimeError, AssertionError) as error:
        if device in (None, "cpu"):
            message = f"{settings.model!r} could not be loaded: {error}"
            raise ModelError(message) from error
        message = (
            f"{option('device', device)} cannot be used here: {error}. "
            f"Pass {option('device', 'cpu')}, or leave it out to let the backend choose."
        )
        raise UnsupportedOptionError(message) from error
    except ValueError as error:
        message = f"{settings.model!r} could not be loaded as a cross-encoder: {error}"
        raise NotACrossEncoderError(message) from error
    except (OSError, SafetensorError) as error:
        message = (
            f"The files of {settings.model!r} are damaged or incomplete: {error}. Save the model "
            "again; for a hub model, delete it from the cache (hf cache rm) and load it again."
        )
        raise ModelError(message) from error
    model.eval()
    return model


def describe(model: "CrossEncoder") -> ModelDescription:
    """What scoring needs to know of a model for which `takes_token_ids`."""
    return ModelDescription(
        tokenizer=model.tokenizer.backend_tokenizer.to_str(),
        pad_id=model.tokenizer.pad_token_id or 0,
        limit=limit_of(model),
        columns=model.num_labels,
        labels=label_names(model),
        inputs=tuple(name for name in INPUTS if name in model.tokenizer.model_input_names),
        default_prompt=_default_prompt(model),
    )


def takes_token_ids(model: "CrossEncoder") -> bool:
    """Whether a pair's token ids, made by its fast tokenizer, are all that the model reads.

    And cut as all others are: the longer text first, at its end.
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


def limit_of(model: "CrossEncoder") -> int:
    """Tokens the model can read: what tokenizer and position embeddings allow."""
    config: Any = model.config
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None or positions < 1:
        positions = model.max_seq_length or 512
    elif "roberta" in config.model_type or config.model_type == "camembert":
        positions -= config.pad_token_id + 1  # positions start after the padding id there
    return int(min(positions, model.max_seq_length or positions))


def label_names(model: "CrossEncoder") -> dict[int, str]:
    names = getattr(model.config, "id2label", None) or {}
    return {int(index): str(name) for index, name in names.items()}


def _default_prompt(model: "CrossEncoder") -> str:
    name = model.default_prompt_name
    return "" if name is None else model.prompts.get(name) or ""


@contextmanager
def no_loading_bar() -> Iterator[None]:
    """Keeps transformers from drawing a bar for each load and save of a model."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()
