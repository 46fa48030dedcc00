"""Engines over backends without a model, for tests."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np

from rerank_plugins import PairScores
from rerank_plugins.backends.contract import PairOptions
from rerank_plugins.engine.engine import Engine
from tests.number_backend import NumberBackend

PATIENCE = 60
"""Seconds after which a test gives up on what should happen at once."""

PLAIN = PairOptions()


@contextmanager
def engine(*backends: NumberBackend) -> Iterator[Engine]:
    """An engine over loaded backends, closed at the end, with no thread left behind."""
    made = Engine("numbers", [lambda backend=backend: backend for backend in backends])
    try:
        yield made
    finally:
        for backend in backends:  # a test that failed may have left one shut
            backend.open_gate()
        made.close(wait=True)
        assert not any(thread.is_alive() for thread in own_threads(made))
        assert not any(backend.overlapping for backend in backends)


def own_threads(subject: Engine) -> set[threading.Thread]:
    return set(subject._threads.values())


def scores(future: "Future[PairScores]") -> np.ndarray:
    return future.result(PATIENCE).logits


def until(happened: Callable[[], bool]) -> None:
    """Waits for another thread to get there."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.001)
