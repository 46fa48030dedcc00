"""Imports the libraries that do the work, one thread at a time, without their telemetry."""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from rerank_plugins.process.turn import in_turn

_ORT_SWITCH = "ORT_DISABLE_TELEMETRY"
_OPENVINO_TELEMETRY = "openvino_telemetry"


@in_turn
def imported(module: str) -> ModuleType:
    """The imported module.

    When ONNX Runtime is imported, it looks up a host and writes a device id to the user's cache
    folder. OpenVINO and nncf report that they were imported, write to the user's home folder, and
    fail if there is none. All of this is switched off during the import.

    Raises:
        ImportError: The module, or one that it needs, is broken or not installed.
    """
    with _without_telemetry():
        return importlib.import_module(module)


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Switches telemetry off, and then removes the switches that the user had not set."""
    switch = os.environ.get(_ORT_SWITCH)
    module = sys.modules.get(_OPENVINO_TELEMETRY)
    try:
        os.environ.setdefault(_ORT_SWITCH, "1")
        if module is None:
            sys.modules[_OPENVINO_TELEMETRY] = None  # type: ignore[assignment]
        yield
    finally:
        if switch is None:
            os.environ.pop(_ORT_SWITCH, None)
        if module is None:
            sys.modules.pop(_OPENVINO_TELEMETRY, None)
