"""Lets work that changes the state of the process take turns.

Loading, tracing and quantising a model change what all threads see: torch's default dtype and
functions, warning filters, levels of loggers, rich's console. Two such tasks at once would break
each other.
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
    """Decorates a function so that only one thread at a time runs such functions.

    They may call each other. The state of the process is restored when the function ends, and in a
    process that is forked meanwhile. Downloads, digests and file locks do not belong inside,
    because other threads would wait for them.
    """

    @functools.wraps(function)
    def alone(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        global _outermost
        with _lock:  # one step in C, so an exception of a signal handler cannot leave it locked
            state, enclosing = _ProcessState(), _outermost
            try:
                _outermost = enclosing or state
                return function(*args, **kwargs)
            finally:
                try:
                    state.give_back()
                except BaseException:  # raised by a signal handler
                    state.give_back()
                    raise
                finally:
                    _outermost = enclosing

    return alone


class _ProcessState:
    """The state that libraries change while they load, trace or quantise a model."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._dtype = _of("torch", "get_default_dtype")
        self._bars = _of("transformers.utils.logging", "is_progress_bar_enabled")
        self._filters = warnings.filters
        self._levels = [logger.level for logger in _LOGGERS]
        self._mute = console.quiet if (console := _of("rich", "get_console")) else False

    def give_back(self) -> None:
        """Restores the state."""
        warnings.filters = self._filters
        for logger, level in zip(_LOGGERS, self._levels, strict=True):
            if logger.level != level:
                logger.setLevel(level)
        if console := _of("rich", "get_console"):
            console.quiet = self._mute
        if self._dtype is not None and self._dtype != _of("torch", "get_default_dtype"):
            _of("torch", "set_default_dtype", self._dtype)

    def give_back_in_child(self) -> None:
        """Restores the state in a forked process, unless the thread that changed it still runs."""
        if self._thread != threading.get_ident():
            self.give_back()
            if self._bars:
                _of("transformers.utils.logging", "enable_progress_bar")


def _of(module: str, function: str, *arguments: Any) -> Any:
    """The result of a module's function; `None` if nobody has imported the module."""
    found = getattr(sys.modules.get(module), function, None)
    return found and found(*arguments)


def _after_fork() -> None:
    """Ends the parent's turn in the child, which has no thread that could do it."""
    global _lock, _outermost
    _lock = threading.RLock()
    if _outermost is not None:
        _outermost.give_back_in_child()
    _outermost = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
