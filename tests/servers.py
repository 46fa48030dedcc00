"""Real servers on ports of this machine: in a thread, or in a process of their own."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.server.app import make_app
from rerank_plugins.server.service import Service
from tests.engines import until


@contextmanager
def served(
    rerankers: Mapping[str, Reranker] | None = None,
    *,
    tokens: Sequence[str] = (),
    cors: str | None = None,
    **options: Any,
) -> Iterator[tuple[Service, httpx.Client]]:
    """A service and a client of it; without models it has the embedded one."""
    own = rerankers or {"embedded": Reranker(CrossEncoderScorer("embedded", when_full="fail"))}
    service = Service(own, **options)
    app = make_app(service, tokens=tokens, cors_origin=cors)
    config = uvicorn.Config(app, port=0, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield service, client
    finally:
        server.should_exit = True
        thread.join()
        if rerankers is None:
            own["embedded"].scorer.close()


@contextmanager
def serving(
    *arguments: object, **environment: str
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A process of `rerank serve`, and its address."""
    command = ["rerank_plugins.cli", "serve", *map(str, arguments), "--port", "0"]
    with running(command, **environment) as found:
        yield found


@contextmanager
def running(
    module: Sequence[str], folder: Path | None = None, **environment: str
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A module and its arguments as a process that serves; the address that uvicorn says."""
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = ""
        while not (found := re.search(r"http://[\d.:]+", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        yield found[0], process
    finally:
        process.kill()
        process.communicate()
