"""Chooses the backend and precision for a model without loading it."""

from pathlib import Path

from rerank_plugins.backends.architectures import NoGraphError, refused
from rerank_plugins.backends.graphs.bundle import graph_precisions, runs_in
from rerank_plugins.backends.graphs.networks import read_parts
from rerank_plugins.backends.machine import cpu_has_bf16, has_accelerator, is_installed
from rerank_plugins.errors import MissingExtraError, UnsupportedOptionError
from rerank_plugins.messages.commands import command, install_command
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.references import EMBEDDED, is_bundle
from rerank_plugins.models.settings import ModelSettings
from rerank_plugins.process.extras import require
from rerank_plugins.results import Plan

_LIBRARY = "sentence_transformers"
PRECISIONS_OF = {
    "torch": ("fp32", "bf16", "fp16"),
    "onnx": ("fp32",),
    "openvino": ("fp32", "bf16", "int8"),
    "jax": ("fp32", "bf16"),
}
"""By backend, wherever it is installed and the processor can."""

_PROCESS_THREADS = {
    "torch": "set OMP_NUM_THREADS={threads} before the process starts, or call "
    "torch.set_num_threads({threads})",
    "jax": "set NPROC={threads} before the process starts",
}
"""How the threads of a backend are set that has one number of them for all models."""


def choose(settings: ModelSettings, folder: Path) -> Plan:
    """The backend and precision that run the model in `folder`, and why.

    Raises:
        UnsupportedOptionError: The backend or precision asked for cannot run this model here.
    """
    plan = _chosen(settings, folder)
    check_threads(settings, plan)
    return plan


def check_threads(settings: ModelSettings, plan: Plan) -> None:
    """Refuses a number of threads for a backend whose threads belong to the whole process.

    Raises:
        UnsupportedOptionError: One was asked for; the message says what to type instead.
    """
    threads = settings.threads
    if threads is None or plan.backend not in _PROCESS_THREADS:
        return
    message = (
        f"{option('threads', threads)} is for {option('backend', 'onnx')} and "
        f"{option('backend', 'openvino')}, but {settings.model!r} runs in {plan.backend} "
        f"({plan.reason}), whose threads are those of the whole process. Leave it out, and "
        f"{_PROCESS_THREADS[plan.backend].format(threads=threads)}."
    )
    raise UnsupportedOptionError(message)


def check_installed(settings: ModelSettings, folder: Path) -> None:
    """Refuses a model that runs in torch alone if torch is not there; its weights need not be.

    Raises:
        MissingExtraError: sentence-transformers is needed and not installed.
        UnsupportedOptionError: The backend or precision asked for cannot run this model here.
    """
    plan = choose(settings, folder)
    if plan.backend == "torch":
        require_torch(settings.model, plan.reason.removeprefix("torch "))


def require_torch(model: str, reason: str) -> None:
    """Refuses to run a model in torch if torch is not there.

    Args:
        model: The model reference, for messages.
        reason: Why it has to run there.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
    """
    if not is_installed(_LIBRARY):
        purpose = f"Running {model!r} in torch ({reason})"
        require(_LIBRARY, extra="sentence-transformers", purpose=purpose)


def measured_precisions(model: str) -> tuple[str, ...]:
    """Lower precisions of a model in OpenVINO that `precision="auto"` may choose.

    What a lower precision costs in ranking depends on the model, so it is chosen only where that
    was measured: docs/backends.md has bf16 for the embedded model.
    """
    return ("bf16",) if model == EMBEDDED else ()


def _chosen(settings: ModelSettings, folder: Path) -> Plan:
    if is_bundle(folder):
        return _bundle_plan(settings, folder)
    precision = _auto_precision(settings, folder) or settings.precision or "fp32"
    if settings.backend == "auto":
        return Plan(*_backend(settings, folder, precision))
    _check(settings, folder, precision)
    return Plan(settings.backend, precision, f"backend={settings.backend!r} was asked for")


def _bundle_plan(settings: ModelSettings, folder: Path) -> Plan:
    """The plan for a bundle: its backend, and a precision that its graph allows."""
    backend, compiled, measured = runs_in(folder)
    allowed = graph_precisions(backend, compiled)
    asked = settings.precision
    if settings.backend not in ("auto", backend) or asked not in (None, "auto", *allowed):
        message = (
            f"{settings.model!r} is a bundle for {option('backend', backend)} in "
            f"{' or '.join(option('precision', each) for each in allowed)}; got "
            f"{option('backend', settings.backend)}, {option('precision', asked or compiled)}. "
            f"Leave them out, or compile another: {command('rerank')} compile MODEL --backend "
            "BACKEND, with --precision int8 for int8."
        )
        raise UnsupportedOptionError(message)
    _check_device(settings, backend)
    if backend == "openvino" and not is_installed("openvino"):
        message = (
            f"{settings.model!r} is a bundle for OpenVINO, which is not installed here. Type: "
            f"{install_command('openvino')}; or compile another: {command('rerank')} compile MODEL "
            "--backend onnx"
        )
        raise MissingExtraError(message, name="openvino")
    if asked == "bf16":
        _check_bf16(option("precision", "fp32"))
    if asked == "bf16" or (asked == "auto" and "bf16" in measured and cpu_has_bf16()):
        return Plan(backend, "bf16", "the bundle's graph runs in bf16 too")
    return Plan(backend, compiled, "the bundle was compiled for it")


def _auto_precision(settings: ModelSettings, folder: Path) -> str | None:
    """The precision that `"auto"` stands for; `None` if another was asked for."""
    if settings.precision != "auto":
        return None
    measured = "bf16" in measured_precisions(settings.model)
    if measured and settings.backend in ("auto", "openvino"):
        return "fp32" if _reason_for_torch(settings, folder, "bf16") else "bf16"
    return "fp32"


def _backend(settings: ModelSettings, folder: Path, precision: str) -> tuple[str, str, str]:
    """Backend, precision and reason for `backend="auto"`."""
    if precision == "int8":
        _check_device(settings, "openvino")
        _check_network(settings, folder)
        return "openvino", precision, "openvino because only there int8 is offered"
    if settings.model == EMBEDDED and precision == "fp32" and _may_run_on_cpu(settings):
        return "onnx", precision, "onnx because the embedded model starts fastest there"
    reason = _reason_for_torch(settings, folder, precision)
    if reason is not None:
        return "torch", precision, f"torch because {reason}"
    if not is_installed("openvino"):
        return "onnx", precision, "onnx because it is always there, and OpenVINO is not installed"
    return "openvino", precision, "openvino because it is installed and fast on a CPU"


def _reason_for_torch(settings: ModelSettings, folder: Path, precision: str) -> str | None:
    """Why neither OpenVINO nor ONNX Runtime can or should run the model."""
    if precision == "fp16":
        return "only there fp16 is offered"
    try:
        _check_files(folder)
    except NoGraphError as error:
        return str(error)
    if not _on_cpu(settings):
        return "it runs on the device that is not the CPU"
    return _reason_against_bf16() if precision == "bf16" else None


def _reason_against_bf16() -> str | None:
    if not is_installed("openvino"):
        return "bf16 without it needs OpenVINO, which is not installed"
    try:
        has_it = cpu_has_bf16()
    except Exception as error:  # OpenVINO is broken
        return f"OpenVINO cannot be used: {error}"
    return None if has_it else "this processor has no bf16 instructions for OpenVINO"


def _check(settings: ModelSettings, folder: Path, precision: str) -> None:
    """Refuses a precision, device or model that the chosen backend does not support."""
    backend, allowed = settings.backend, PRECISIONS_OF[settings.backend]
    if precision == "int8" and backend == "onnx":
        message = (
            f"{option('backend', 'onnx')} runs fp32 only; got {option('precision', 'int8')}. "
            "Its int8 scores depend on the batch they fall in, which breaks rankings. "
            f"Use {option('backend', 'openvino')} for int8."
        )
        raise UnsupportedOptionError(message)
    if precision not in allowed:
        others = [name for name, formats in PRECISIONS_OF.items() if precision in formats]
        message = (
            f"{option('backend', backend)} runs {', '.join(allowed)}; "
            f"got {option('precision', precision)}. "
            f"Use {' or '.join(option('backend', name) for name in others)} for {precision}."
        )
        raise UnsupportedOptionError(message)
    if backend == "torch":
        return
    _check_device(settings, backend)
    _check_network(settings, folder)
    if precision == "bf16" and backend == "openvino":
        precisions = f"{option('precision', 'fp32')} or {option('precision', 'int8')}"
        _check_bf16(f"{precisions}, or {option('backend', 'torch')}")


def _check_bf16(instead: str) -> None:
    if not cpu_has_bf16():
        message = (
            f"{option('backend', 'openvino')} runs bf16 on processors with bf16 instructions "
            f"(AVX512-BF16, AMX), and this one has none. Pass {instead}."
        )
        raise UnsupportedOptionError(message)


def _check_device(settings: ModelSettings, backend: str) -> None:
    if not _may_run_on_cpu(settings):
        others = "the first device that JAX finds, or on " if backend == "jax" else ""
        message = (
            f"{option('backend', backend)} runs on {others}{option('device', 'cpu')}; "
            f"got {option('device', settings.device)}. "
            f"Use {option('backend', 'torch')} for other devices."
        )
        raise UnsupportedOptionError(message)


def _check_network(settings: ModelSettings, folder: Path) -> None:
    try:
        _check_files(folder)
    except NoGraphError as error:
        raise refused(settings.model, error) from error


def _check_files(folder: Path) -> None:
    """Raises `NoGraphError` if the small files of a folder show that it does not become a graph."""
    # Not above: the package is imported without tokenizers.
    from rerank_plugins.backends.folders.description import check_described

    read_parts(folder)
    check_described(folder)


def _on_cpu(settings: ModelSettings) -> bool:
    """Whether the model will run on the CPU; by default, torch prefers an accelerator."""
    return _may_run_on_cpu(settings) and (settings.device is not None or not has_accelerator())


def _may_run_on_cpu(settings: ModelSettings) -> bool:
    """Whether no device was asked for, or the CPU, which torch calls `cpu:0` too."""
    return settings.device is None or settings.device.partition(":")[0] == "cpu"
