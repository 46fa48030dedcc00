"""Processes of their own without their own imports: these take longest where many are started."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

HEAVY = ["torch", "sentence_transformers", "haystack", "llama_index.core", "langchain_core"]


@contextmanager
def forked_process() -> Iterator[ProcessPoolExecutor]:
    """A new process for one call, forked from one that has the heavy imports behind it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        yield pool
