"""What a scorer holds open: its model, which other scorers may share, and its cache."""

import weakref
from functools import partial

from rerank_plugins.engine import registry
from rerank_plugins.engine.registry import SharedModel, Workers
from rerank_plugins.score_cache.cache import ScoreCache


class Lease:
    """A hold on a model and a cache; both are given up when it is closed or garbage-collected.

    Args:
        workers: The settings of the model on each device. It is loaded when it is first used.
        cache: What has kept scores; `None` keeps none.

    Attributes:
        shared: The model.
        cache: As given.
    """

    def __init__(self, workers: Workers, cache: ScoreCache | None) -> None:
        self.shared = registry.acquire(workers)
        self.cache = cache
        self._release = weakref.finalize(self, _abandon, self.shared, cache)
        self._release.atexit = False  # at exit the threads end by themselves

    @property
    def is_open(self) -> bool:
        """Whether it was not closed yet."""
        return self._release.alive

    def close(self) -> None:
        """As `CrossEncoderScorer.close`."""
        if self._release.detach():
            give_back = partial(registry.release, self.shared, wait=True)
            if self.cache is None:
                give_back()
            else:
                self.cache.close(wait=True, then=give_back)


def _abandon(shared: SharedModel, cache: ScoreCache | None) -> None:
    """Gives up what nobody closed."""
    if cache is not None:
        cache.abandon()
    registry.abandon(shared)
