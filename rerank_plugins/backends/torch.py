"""The torch backend: sentence-transformers' `CrossEncoder`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._extras import require
from rerank_plugins._labels import column_logits, column_of
from rerank_plugins._model import ModelSettings, locate
from rerank_plugins._pairs import Tokens
from rerank_plugins.backends import Backend, PairOptions, Prepared
from rerank_plugins.backends._encoder import EncoderBackend
from rerank_plugins.errors import ModelError, NotACrossEncoderError, UnsupportedOptionError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_CPU_BATCH_TOKENS = 2048
_ACCELERATOR_BATCH_TOKENS = 32768
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def load_torch(settings: ModelSettings) -> Backend:
    """A `CrossEncoder` behind the backend protocol.

    Encoders with a fast tokenizer are fed token ids, in batches by length; other models, such
    as chat models that answer yes or no, go through `CrossEncoder.predict`.

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

    folder = locate(settings)
    try:
        with _no_loading_bar():
            model: CrossEncoder = library.CrossEncoder(
                str(folder),
                device=settings.device,
                local_files_only=True,
                trust_remote_code=settings.trust_remote_code,
                model_kwargs={"dtype": _DTYPES[settings.precision], "use_safetensors": True},
            )
    except (RuntimeError, AssertionError) as error:
        if settings.device in (None, "cpu"):
            raise
        message = (
            f"device={settings.device!r} cannot be used here: {error}. "
            "Pass device='cpu', or None to let the backend choose."
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
    on_cpu = model.device.type == "cpu"
    budget = _CPU_BATCH_TOKENS if on_cpu else _ACCELERATOR_BATCH_TOKENS
    if not _takes_token_ids(model):
        return _PredictBackend(model, settings.model, budget)
    return EncoderBackend(
        name=settings.model,
        forward=_Forward(model),
        tokenizer=model.tokenizer.backend_tokenizer.to_str(),
        pad_id=model.tokenizer.pad_token_id or 0,
        limit=_limit(model),
        columns=model.num_labels,
        labels=_label_names(model),
        max_batch_tokens=budget,
        default_prompt=_default_prompt(model),
    )


@contextmanager
def _no_loading_bar() -> Iterator[None]:
    """Keeps transformers from drawing a bar for a load that takes a moment."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()


class _Forward:
    """Token ids -> logits, float32 `(b, columns)`, by the model's own modules."""

    def __init__(self, model: "CrossEncoder") -> None:
        import torch

        self._torch = torch
        self._model = model
        self._inputs = set(model.tokenizer.model_input_names)

    def __call__(self, tokens: Tokens) -> NDArray[np.float32]:
        torch = self._torch
        arrays = {
            "input_ids": tokens.input_ids,
            "attention_mask": tokens.attention_mask,
            "token_type_ids": tokens.token_type_ids,
        }
        features: dict[str, Any] = {
            name: torch.from_numpy(array).to(self._model.device)
            for name, array in arrays.items()
            if name in self._inputs
        }
        with torch.inference_mode():
            scores = self._model(features)["scores"].float()
        logits: NDArray[np.float32] = scores.reshape(len(tokens.input_ids), -1).cpu().numpy()
        return logits


class _PredictBackend:
    """Models that build their own input from the pair, such as chat models."""

    def __init__(self, model: "CrossEncoder", name: str, max_batch_tokens: int) -> None:
        from torch import nn

        self._model = model
        self._name = name
        self._identity = nn.Identity()
        self._max_batch_tokens = max_batch_tokens
        self._limit = _limit(model)

    def check(self, options: PairOptions) -> None:
        column_of(options.label, self._model.num_labels, _label_names(self._model))
        if options.max_length is not None and options.max_length > self._limit:
            message = (
                f"max_length={options.max_length}, but {self._name!r} reads at most "
                f"{self._limit} tokens. Pass at most {self._limit}, or None."
            )
            raise UnsupportedOptionError(message)

    def batch_tokens(self, options: PairOptions) -> int:
        return options.max_batch_tokens or self._max_batch_tokens

    def prepare(self, pairs: Sequence[tuple[str, str]], options: PairOptions) -> Prepared:
        longest = options.max_length or min(self._limit, 512)  # the model's prompt is not counted
        return Prepared(inputs=pairs, tokens=[longest] * len(pairs), truncated=None)

    def logits(
        self, inputs: Sequence[tuple[str, str]], options: PairOptions
    ) -> NDArray[np.float32]:
        columns = self._model.num_labels
        overrides: dict[str, Any] = {}
        if options.max_length is not None:
            limit = {"max_length": options.max_length, "truncation": True}
            overrides["processing_kwargs"] = {"text": limit}
        output = self._model.predict(
            list(inputs),
            prompt=options.prompt,
            batch_size=len(inputs),
            activation_fn=self._identity,
            show_progress_bar=False,
            **overrides,
        )
        column = column_of(options.label, columns, _label_names(self._model))
        return column_logits(np.asarray(output, np.float32).reshape(-1, columns), column)


def _takes_token_ids(model: "CrossEncoder") -> bool:
    """Whether a pair's token ids, made by its fast tokenizer, are all that the model reads."""
    transformer = model[0]
    modalities = getattr(transformer, "modality_config", {"text": None})
    return (
        getattr(transformer, "transformer_task", None) == "sequence-classification"
        and "message" not in modalities
        and getattr(model.tokenizer, "is_fast", False)
    )


def _limit(model: "CrossEncoder") -> int:
    """Tokens the model can read: what tokenizer and position embeddings allow."""
    config: Any = model.config
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None or positions < 1:
        positions = model.max_seq_length or 512
    elif "roberta" in config.model_type or config.model_type == "camembert":
        positions -= config.pad_token_id + 1  # positions start after the padding id there
    return int(min(positions, model.max_seq_length or positions))


def _label_names(model: "CrossEncoder") -> dict[int, str]:
    names = getattr(model.config, "id2label", None) or {}
    return {int(index): str(name) for index, name in names.items()}


def _default_prompt(model: "CrossEncoder") -> str:
    name = model.default_prompt_name
    return "" if name is None else model.prompts.get(name) or ""
