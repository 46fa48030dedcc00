"""Bars that mining draws unasked, and how they are kept from it."""

from __future__ import annotations

import contextlib
import io


def mining_bars(shown: bool) -> contextlib.AbstractContextManager[object]:
    """Lets `mine_hard_negatives` draw its bars or not; it has no option for it."""
    return contextlib.nullcontext() if shown else contextlib.redirect_stderr(io.StringIO())
