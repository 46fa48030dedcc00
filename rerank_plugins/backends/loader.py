"""Loads the model for given settings, or says how it would be run."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from rerank_plugins.backends.architectures import NoGraphError, refused
from rerank_plugins.backends.choice import (
    check_installed,
    check_threads,
    choose,
    require_torch,
)
from rerank_plugins.backends.contract import Backend
from rerank_plugins.backends.machine import runtime
from rerank_plugins.errors import MissingExtraError, ModelError, RerankError
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.location import locate, without_weights
from rerank_plugins.models.own_settings import read_own_settings
from rerank_plugins.models.references import is_bundle
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.results import Plan


def load(settings: ModelSettings) -> Backend:
    """The loaded model for these settings.

    Raises:
        ModelError: The model cannot be loaded or does not fit the options.
        MissingExtraError: The backend's packages are not installed.
    """
    folder = locate(settings, partial(check_installed, settings))
    backend = _loaded(settings, folder)
    backend.folder, backend.own_settings = folder, read_own_settings(folder)
    return backend


def plan_without_weights(settings: ModelSettings) -> Plan | None:
    """How a model would be run whose weights are not on this disk; `None` if they are.

    Its configuration and tokenizer tell, which are downloaded if necessary. The weights may still
    have something that only torch runs, or not fit.

    Raises:
        ModelError: The model cannot be found, or does not fit the options.
        MissingExtraError: The backend's packages are not installed.
    """
    folder = without_weights(settings)
    if folder is None:
        return None
    plan = choose(settings, folder)
    if plan.backend != "torch":
        try:
            _check_compiles(settings, folder, plan)
            return plan
        except (MissingExtraError, NoGraphError) as error:
            if settings.backend == "auto" and plan.precision != "int8":
                plan = _torch_plan(settings, plan, error)
                check_threads(settings, plan)
            elif isinstance(error, NoGraphError):
                raise refused(settings.model, error) from error
            else:
                raise
    require_torch(settings.model, plan.reason.removeprefix("torch "))
    return plan


def _check_compiles(settings: ModelSettings, folder: Path, plan: Plan) -> None:
    """Checks what running a model as a graph needs besides its weights."""
    # Not above: the package is imported without tokenizers.
    from rerank_plugins.backends.folders.description import describe_folder
    from rerank_plugins.backends.graphs.int8 import quantiser

    if plan.backend != "onnx":
        runtime(plan.backend)
    if plan.precision == "int8":
        quantiser()
    describe_folder(folder, settings.model)


def _loaded(settings: ModelSettings, folder: Path) -> Backend:
    plan = choose(settings, folder)
    if plan.backend == "torch":
        return _load_torch(settings, folder, plan)
    try:
        return _load_compiled(settings, folder, plan)
    except Exception as error:  # runtimes raise their own
        if settings.backend == "auto" and plan.precision != "int8" and not is_bundle(folder):
            if isinstance(error, NoGraphError):
                require_torch(settings.model, f"because {error}")
            with suppress(MissingExtraError):  # without torch, the first error says more
                instead = _torch_plan(settings, plan, error)
                check_threads(settings, instead)
                return _load_torch(settings, folder, instead)
        if isinstance(error, NoGraphError):
            raise refused(settings.model, error) from error
        if isinstance(error, RerankError):
            raise
        message = (
            f"{settings.model!r} cannot be run by {option('backend', plan.backend)} here: "
            f"{_shown(error)}. Use {option('backend', 'torch')}."
        )
        raise ModelError(message) from error


def _torch_plan(settings: ModelSettings, plan: Plan, error: Exception) -> Plan:
    failed = "" if isinstance(error, NoGraphError) else f"{plan.backend} failed: "
    reason = f"torch because {failed}{_shown(error)}"
    precision = "fp32" if settings.precision == "auto" else plan.precision  # bf16 is OpenVINO's
    return replace(plan, backend="torch", precision=precision, reason=reason)


def _shown(error: Exception) -> str:
    """Our own errors in full; the class and beginning of others, in one line."""
    if isinstance(error, RerankError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split()):.300}"


def _load_compiled(settings: ModelSettings, folder: Path, plan: Plan) -> Backend:
    if plan.backend == "jax":
        from rerank_plugins.backends.jax import load_jax

        return load_jax(settings, folder, plan)
    from rerank_plugins.backends.graphs.finding import find_graph

    graph = find_graph(settings, folder, plan)
    if plan.backend == "onnx":
        from rerank_plugins.backends.onnx import load_onnx

        return load_onnx(settings, graph, plan)
    from rerank_plugins.backends.openvino import load_openvino

    return load_openvino(settings, graph, plan)


def _load_torch(settings: ModelSettings, folder: Path, plan: Plan) -> Backend:
    from rerank_plugins.backends.torch import load_torch

    return load_torch(settings, folder, plan)
