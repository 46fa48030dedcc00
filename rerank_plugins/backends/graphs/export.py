"""Exports a cross-encoder from torch as a graph that reads the first token of the last layer."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.cross_encoder import describe, load_cross_encoder, takes_token_ids
from rerank_plugins.backends.description import ModelDescription
from rerank_plugins.backends.first_token import FirstTokenLogits, reads_first_token
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.extras import require
from rerank_plugins.process.turn import in_turn

_OPSET = 20  # the first with Gelu


@in_turn
def onnx_graph(settings: ModelSettings, folder: Path, file: Path) -> ModelDescription:
    """Writes an ONNX graph with its weights beside it, from the model's inputs to `logits`.

    Raises:
        ModelError: The model cannot be loaded or exported.
        MissingExtraError: A package that this needs is not installed.
    """
    require("onnxscript", extra="onnx", purpose="Compiling for ONNX Runtime")
    module, description = _module(settings, folder)
    length = torch.export.Dim.DYNAMIC
    with _quiet():
        with _as_no_graph(settings.model):
            program: Any = torch.onnx.export(
                module,
                _example(description),
                input_names=list(description.inputs),
                output_names=["logits"],
                dynamic_shapes=tuple({0: length, 1: length} for _ in description.inputs),
                opset_version=_OPSET,
                dynamo=True,
                verbose=False,
            )
        program.save(str(file), external_data=True)
    return description


@in_turn
def openvino_model(settings: ModelSettings, folder: Path) -> tuple[Any, ModelDescription]:
    """An OpenVINO model from the model's inputs to logits.

    Raises:
        ModelError: The model cannot be loaded or exported.
        MissingExtraError: A package that this needs is not installed.
    """
    openvino: Any = require("openvino", extra="openvino", purpose="Compiling for OpenVINO")
    module, description = _module(settings, folder)
    with _quiet(), _as_no_graph(settings.model):
        model = openvino.convert_model(module, example_input=_example(description))
    return model, description


def _module(settings: ModelSettings, folder: Path) -> tuple[FirstTokenLogits, ModelDescription]:
    model = load_cross_encoder(settings, folder, device="cpu", precision="fp32")
    inner: Any = model[0].model
    if len(model) != 1 or not takes_token_ids(model) or not reads_first_token(inner):
        message = (
            f"{settings.model!r} does not become a graph: its modules are not those of a plain "
            f"{type(inner).__name__} with a fast tokenizer. Use {option('backend', 'torch')}."
        )
        raise NoGraphError(message)
    return FirstTokenLogits(inner).eval(), describe(model)


def _example(description: ModelDescription) -> tuple[torch.Tensor, ...]:
    """Two pairs of seven tokens; exporters would take sizes of 1 for constants."""
    token = 0 if description.pad_id else 1
    values = {"input_ids": token, "attention_mask": 1, "token_type_ids": 0}
    return tuple(torch.full((2, 7), values[name]) for name in description.inputs)


@contextmanager
def _as_no_graph(model: str) -> Iterator[None]:
    """Turns any exception of an exporter into our error, also if library versions do not fit."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        message = (
            f"{model!r} does not become a graph here: {reason:.300}. "
            f"Use {option('backend', 'torch')}."
        )
        raise NoGraphError(message) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporters' warnings about their own code and about packages that are not needed.

    The level of the logger is restored when the turn ends.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")
        yield
