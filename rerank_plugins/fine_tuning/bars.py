"""Bars that libraries draw unasked, and how they are kept from it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from transformers.utils import logging as untyped

_logging: Any = untyped


@contextlib.contextmanager
def no_file_bars() -> Iterator[None]:
    """Keeps transformers from drawing a bar for each load and save of a model."""
    shown = _logging.is_progress_bar_enabled()
    _logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            _logging.enable_progress_bar()


def mining_bars(shown: bool) -> contextlib.AbstractContextManager[object]:
    """Lets `mine_hard_negatives` draw its bars or not; it has no option for it."""
    return contextlib.nullcontext() if shown else contextlib.redirect_stderr(io.StringIO())
