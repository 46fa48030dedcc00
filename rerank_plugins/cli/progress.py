"""Progress bars on standard error, drawn only on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(total: int, unit: str, description: str) -> Iterator[Callable[[int], object]]:
    """Shows a bar and yields a function that advances it by the number it is given."""
    from tqdm import tqdm

    with tqdm(
        total=total, unit=unit, desc=description, disable=not sys.stderr.isatty(), leave=False
    ) as bar:
        yield bar.update
