"""Callers that send requests one after another, in a process that waits until it is asked.

In: {"requests": [{"query", "documents"}, ...], "callers"}, and what the calls need. Out: {} when it
is ready, then {"total", "seconds", "best", "busy"}: seconds of the whole and of each request, the
place of each best document, -1 for an error, and seconds of a processor that this process used.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

Request: TypeAlias = Mapping[str, Any]
Call: TypeAlias = Callable[[Request], Awaitable[int]]
"""Sends a request; the place of the best document, or -1."""

Callers: TypeAlias = Callable[[int, Request], AbstractAsyncContextManager[Call]]
"""What a caller, by its number, calls as long as the context is open."""


def serve(callers: Callers) -> None:
    """Answers until the input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to the log

    def answer(content: Mapping[str, Any]) -> None:
        out.write(json.dumps(content) + "\n")
        out.flush()

    answer({})
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            answer(runner.run(_measured(callers, json.loads(line))))


async def _measured(callers: Callers, asked: Request) -> dict[str, Any]:
    numbered = enumerate(asked["requests"])
    seconds = [0.0] * len(asked["requests"])
    best = [-1] * len(asked["requests"])
    used, start = time.process_time(), time.perf_counter()
    await asyncio.gather(
        *(_caller(callers(n, asked), numbered, seconds, best) for n in range(asked["callers"]))
    )
    total = time.perf_counter() - start
    return {"total": total, "seconds": seconds, "best": best, "busy": time.process_time() - used}


async def _caller(
    calling: AbstractAsyncContextManager[Call],
    requests: Iterator[tuple[int, Request]],
    seconds: list[float],
    best: list[int],
) -> None:
    async with calling as call:
        for number, request in requests:
            begun = time.perf_counter()
            best[number] = await call(request)
            seconds[number] = time.perf_counter() - begun
