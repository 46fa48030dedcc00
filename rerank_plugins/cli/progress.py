"""Progress on standard error, for whoever sits in front of it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(total: int, unit: str, description: str) -> Iterator[Callable[[int], object]]:
    """Gives a function to call with how much was just done; draws only on a terminal."""
    from tqdm import tqdm

    with tqdm(
        total=total, unit=unit, desc=description, disable=not sys.stderr.isatty(), leave=False
    ) as bar:
        yield bar.update
