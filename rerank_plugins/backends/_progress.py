"""The progress bar over the pairs of a call: tqdm, and only if asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rerank_plugins.backends import PairOptions


@contextmanager
def progress_bar(pairs: int, options: PairOptions) -> Iterator[Callable[[int], object]]:
    """Gives a function to call with the number of pairs just scored."""
    if not options.progress_bar:
        yield lambda scored: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=pairs, unit="pair", desc="Scoring") as bar:
        yield bar.update
