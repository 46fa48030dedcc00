"""Backends: a loaded model that scores pairs. Which one runs, and what all of them answer to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from rerank_plugins._model import ModelSettings, locate
from rerank_plugins.backends._choice import (
    BACKENDS,
    PRECISIONS,
    NoGraphError,
    check_installed,
    choose,
)
from rerank_plugins.results import PairScores, Plan

__all__ = ["BACKENDS", "PRECISIONS", "Backend", "PairOptions", "load"]


@dataclass(frozen=True, slots=True)
class PairOptions:
    """How pairs are scored; unlike `ModelSettings`, free to differ between sharers of a model."""

    max_length: int | None = None
    max_batch_tokens: int | None = None
    prompt: str | None = None
    label: int | str | None = None
    progress_bar: bool = False


class Backend(Protocol):
    """A loaded model. Used from one thread at a time."""

    @property
    def plan(self) -> Plan:
        """How it runs the model."""

    def check(self, options: PairOptions) -> None:
        """Raises what `score` would raise for these options, whatever the pairs."""

    def score(self, pairs: Sequence[tuple[str, str]], options: PairOptions) -> PairScores:
        """One logit per pair, in the order of the pairs."""


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
    from rerank_plugins.backends._graphs import find_graph

    try:
        graph = find_graph(settings, folder, plan)
    except NoGraphError as error:
        if settings.backend != "auto" or plan.precision == "int8":
            raise
        reason = f"torch because it became no graph: {error}"
        return _load_torch(settings, folder, replace(plan, backend="torch", reason=reason))
    if plan.backend == "onnx":
        from rerank_plugins.backends.onnx import load_onnx

        return load_onnx(settings.model, graph, plan)
    from rerank_plugins.backends.openvino import load_openvino

    return load_openvino(settings.model, graph, plan)


def _load_torch(settings: ModelSettings, folder: Path, plan: Plan) -> Backend:
    from rerank_plugins.backends.torch import load_torch

    return load_torch(settings, folder, plan)
