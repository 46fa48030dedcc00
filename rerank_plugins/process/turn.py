"""One turn in the process for work that changes the process's own state.

Loading a model, tracing it and quantising it change what all threads see: torch's default dtype and
functions, warning filters, levels of loggers, rich's console. Two at a time break each other.
"""

import functools
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_LOGGERS = (logging.getLogger("torch.onnx"), logging.getLogger("nncf"))
_lock = threading.RLock()
_outermost: "_ProcessState | None" = None


def in_turn(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Runs the function while no other thread runs one of these; they may call each other.

    The process's state is as before when the function ends, and in a process forked meanwhile.
    Downloads, digests and file locks belong outside of it: others would wait for them.
    """

    @functools.wraps(function)
    def alone(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        global _outermost
        with _lock:  # taken in one step of C: a signal handler's exception cannot leave it taken
            state, enclosing = _ProcessState(), _outermost
            try:
                _outermost = enclosing or state
                return function(*args, **kwargs)
            finally:
                try:
                    state.give_back()
                except BaseException:  # a signal handler's
                    state.give_back()
                    raise
                finally:
                    _outermost = enclosing

    return alone


class _ProcessState:
    """What libraries change of the process's state while they load, trace or quantise a model."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._dtype = _of("torch", "get_default_dtype")
        self._bars = _of("transformers.utils.logging", "is_progress_bar_enabled")
        self._filters = warnings.filters
        self._levels = [logger.level for logger in _LOGGERS]
        self._mute = console.quiet if (console := _of("rich", "get_console")) else False

    def give_back(self) -> None:
        """Makes it as it was."""
        warnings.filters = self._filters
        for logger, level in zip(_LOGGERS, self._levels, strict=True):
            if logger.level != level:
                logger.setLevel(level)
        if console := _of("rich", "get_console"):
            console.quiet = self._mute
        if self._dtype is not None and self._dtype != _of("torch", "get_default_dtype"):
            _of("torch", "set_default_dtype", self._dtype)

    def give_back_in_child(self) -> None:
        """Gives the state back in a forked process, unless the thread that changed it lives on."""
        if self._thread != threading.get_ident():
            self.give_back()
            if self._bars:
                _of("transformers.utils.logging", "enable_progress_bar")


def _of(module: str, function: str, *arguments: Any) -> Any:
    """What a function of a module gives, `None` if nobody has imported the module."""
    found = getattr(sys.modules.get(module), function, None)
    return found and found(*arguments)


def _after_fork() -> None:
    """The child has no thread that could end the parent's turn."""
    global _lock, _outermost
    _lock = threading.RLock()
    if _outermost is not None:
        _outermost.give_back_in_child()
    _outermost = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
