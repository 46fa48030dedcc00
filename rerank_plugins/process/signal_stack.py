"""The stack on which a thread handles signals, kept as it is while OpenVINO starts."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """C's `stack_t`, as Linux lays it out."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Gives the calling thread the signal stack back that it had before; on Linux alone.

    OpenVINO's CPU plugin gives one to the thread that it starts on and frees it with the plugin, on
    whichever thread that happens, or while another plugin's is in use. Then the next signal that
    Python handles on the first thread (Ctrl-C, SIGTERM) is a segmentation fault without a word.
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
