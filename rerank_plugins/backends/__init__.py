"""Backends: a loaded model that scores pairs. Which one runs, and what all of them answer to."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rerank_plugins._model import ModelSettings, is_bundle, locate
from rerank_plugins._spelling import option
from rerank_plugins.backends._choice import (
    BACKENDS,
    PRECISIONS,
    NoGraphError,
    check_installed,
    choose,
)
from rerank_plugins.errors import MissingExtraError, ModelError, RerankError
from rerank_plugins.results import Plan

__all__ = ["BACKENDS", "PRECISIONS", "Backend", "PairOptions", "load"]


@dataclass(frozen=True, slots=True)
class PairOptions:
    """How pairs are scored; unlike `ModelSettings`, free to differ between sharers of a model."""

    max_length: int | None = None
    max_batch_tokens: int | None = None
    prompt: str | None = None
    label: int | str | None = None
    progress_bar: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """n pairs made ready for a model, in their order.

    Attributes:
        inputs: What `Backend.logits` takes for each.
        tokens: Their lengths, by which batches are sorted and bounded.
        truncated: Whether each was cut at `max_length`; `None` if not known.
    """

    inputs: Sequence[Any]
    tokens: Sequence[int]
    truncated: Sequence[bool] | None


class Backend(Protocol):
    """A loaded model, in two steps that overlap: one thread prepares pairs, another scores them.

    `check` and `prepare` are called from one thread at a time, and so is `logits`.
    """

    @property
    def plan(self) -> Plan:
        """How it runs the model."""

    def check(self, options: PairOptions) -> None:
        """Raises what the other methods would raise for these options, whatever the pairs."""

    def batch_tokens(self, options: PairOptions) -> int:
        """Most tokens of a batch, padding included."""

    def prepare(self, pairs: Sequence[tuple[str, str]], options: PairOptions) -> Prepared:
        """Makes pairs ready for `logits`."""

    def logits(self, inputs: Sequence[Any], options: PairOptions) -> NDArray[np.float32]:
        """Runs one batch of b prepared pairs: their logits, shape `(b,)`."""


def load(settings: ModelSettings) -> Backend:
    """The loaded model for these settings.

    Raises:
        ModelError: The model cannot be loaded or does not fit the options.
        MissingExtraError: The backend's packages are not installed.
    """
    check_installed(settings)
    folder = locate(settings)
    plan = choose(settings, folder)
    if plan.backend == "torch":
        return _load_torch(settings, folder, plan)
    try:
        return _load_compiled(settings, folder, plan)
    except Exception as error:  # runtimes raise their own
        if settings.backend == "auto" and plan.precision != "int8" and not is_bundle(folder):
            with suppress(MissingExtraError):  # torch is not there: then the first error says more
                return _load_torch(settings, folder, _torch_plan(settings, plan, error))
        if isinstance(error, RerankError):
            raise
        message = (
            f"{settings.model!r} cannot be run by {option('backend', plan.backend)} here: "
            f"{_told(error)}. Use {option('backend', 'torch')}."
        )
        raise ModelError(message) from error


def _torch_plan(settings: ModelSettings, plan: Plan, error: Exception) -> Plan:
    failed = "it became no graph" if isinstance(error, NoGraphError) else f"{plan.backend} failed"
    reason = f"torch because {failed}: {_told(error)}"
    precision = "fp32" if settings.precision == "auto" else plan.precision  # bf16 is OpenVINO's
    return replace(plan, backend="torch", precision=precision, reason=reason)


def _told(error: Exception) -> str:
    """Our own errors in full, of others the kind and the beginning in one line."""
    if isinstance(error, RerankError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split()):.300}"


def _load_compiled(settings: ModelSettings, folder: Path, plan: Plan) -> Backend:
    from rerank_plugins.backends._graphs import find_graph

    graph = find_graph(settings, folder, plan)
    if plan.backend == "onnx":
        from rerank_plugins.backends.onnx import load_onnx

        return load_onnx(settings.model, graph, plan)
    from rerank_plugins.backends.openvino import load_openvino

    return load_openvino(settings.model, graph, plan)


def _load_torch(settings: ModelSettings, folder: Path, plan: Plan) -> Backend:
    from rerank_plugins.backends.torch import load_torch

    return load_torch(settings, folder, plan)
