"""Importing the libraries that do the work, one thread at a time, without their telemetry."""

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

    ONNX Runtime looks up a host and writes a device id under the user's cache folder when it is
    imported, OpenVINO and nncf send that they were imported and write under the user's home, and
    fail where there is none. They are kept from it while this imports them.

    Raises:
        ImportError: The module, or one that it needs, is not installed or broken.
    """
    with _without_telemetry():
        return importlib.import_module(module)


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Sets what switches it off, and takes away again what the user has not set."""
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
