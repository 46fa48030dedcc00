"""What this machine has for running a model: packages, instructions, accelerators."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from rerank_plugins.process.extras import require
from rerank_plugins.process.signal_stack import signal_stack_kept

_LIBRARY = "sentence_transformers"
_ACCELERATOR_NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/dri", "/dev/accel")
"""Where Linux shows a device that torch may find: CUDA, ROCm, WSL, XPU, and other accelerators."""


def is_installed(package: str) -> bool:
    """Whether a package can be found; it is not imported."""
    return importlib.util.find_spec(package) is not None


def runtime(backend: str) -> Any:
    """The library of a backend that an extra of the same name installs: OpenVINO or JAX.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require(backend, extra=backend, purpose=f"backend={backend!r}")


def cpu_has_bf16() -> bool:
    """Whether this processor has instructions that multiply bf16 numbers (AVX512-BF16, AMX)."""
    openvino = require("openvino", extra="openvino", purpose="bf16 on a CPU")
    with signal_stack_kept():
        return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def has_accelerator() -> bool:
    """Whether torch finds a GPU or similar; torch is imported only if there may be one."""
    if not is_installed(_LIBRARY):
        return False
    if sys.platform == "linux" and not any(Path(node).exists() for node in _ACCELERATOR_NODES):
        return False
    util = require(f"{_LIBRARY}.util", extra="sentence-transformers", purpose="Finding a device")
    return str(util.get_device_name()) != "cpu"
