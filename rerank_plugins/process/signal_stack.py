"""Keeps the stack on which a thread handles signals while OpenVINO starts."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """C's `stack_t`, as Linux lays it out."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Restores the calling thread's signal stack afterwards; does nothing outside Linux.

    OpenVINO's CPU plugin sets a new signal stack for the thread that starts it. It frees this stack
    with the plugin, whether or not the thread still uses it. The next signal that Python handles on
    that thread (Ctrl-C, SIGTERM) would then be a segmentation fault without any message.
    """
    if sys.platform != "linux":
        yield
        return
    sigaltstack = ctypes.CDLL(None).sigaltstack
    before = _Stack()
    sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        sigaltstack(ctypes.byref(before), None)
