"""One slice of a request on the way to a batch: its options are checked and its texts tokenized."""

import time
from contextlib import suppress

from rerank_plugins.backends.contract import Backend, Prepared
from rerank_plugins.engine.failures import explained
from rerank_plugins.engine.requests import Request


def prepared(request: Request, part: slice, backend: Backend) -> Prepared | None:
    """Prepares pairs of a request, without the engine's lock.

    Args:
        request: The request. With its first pairs its options are checked, and its progress bar
            begins.
        part: The place of the pairs in it.
        backend: The model that prepares them.

    Returns:
        The pairs; `None` if the request has failed, because the model refuses its options or a
        text.
    """
    try:
        if not (part.start or request.windows.start):  # nothing of it was prepared before
            backend.check(request.options)
            with suppress(Exception):  # a broken bar must not fail the scoring
                request.start_bar()
        begun = time.perf_counter()
        found = backend.prepare(request.pairs[part], request.options, request.windows)
        request.meter.tokenized(found, time.perf_counter() - begun)
    except BaseException as error:  # tokenizers' panics are no Exceptions
        request.fail(explained(error))
        return None
    return found
