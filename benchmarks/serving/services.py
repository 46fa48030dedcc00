"""Services in processes of their own: how each is started, on which port, and its memory."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.catalogue import Environment
from benchmarks.peers.environment import EnvironmentFailedError, python_of
from benchmarks.peers.export import export

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".peers"
"""Where environments, weights and logs are kept."""

INFINITY = Environment("infinity-server", ("infinity-emb[torch,server]==0.0.78",))

_START_SECONDS = 120


class NotStartedError(RuntimeError):
    """A service cannot be started; the message is the reason in one line."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: the ports of its processes, and their ids."""

    ports: list[int]
    processes: list[int]

    def memory(self) -> float:
        """The private memory of its processes now, in MB."""
        return sum(map(private, self.processes)) / 1024


@contextmanager
def ours(*, processes: int = 1, threads: int | None = None) -> Iterator[Service]:
    """`rerank serve`, once or in several processes."""
    options = [] if threads is None else ["--threads", str(threads)]
    command = [sys.executable, "-m", "rerank_plugins.cli", "serve", "embedded", *options]
    with ExitStack() as stack:
        started = [stack.enter_context(_started(command, "ours")) for _ in range(processes)]
        yield Service(
            [port for one in started for port in one.ports],
            [process for one in started for process in one.processes],
        )


@contextmanager
def plain() -> Iterator[Service]:
    """FastAPI with `CrossEncoder.predict`."""
    command = [sys.executable, "-m", "uvicorn", "benchmarks.serving.plain_service:app"]
    with _started([*command, "--no-access-log"], "plain") as service:
        yield service


@contextmanager
def infinity() -> Iterator[Service]:
    """Infinity's server, in an environment of its own.

    Raises:
        NotStartedError: It cannot be installed, or not be started.
    """
    try:
        python = python_of(INFINITY, FOLDER)
    except EnvironmentFailedError as error:
        raise NotStartedError(str(error)) from error
    export(FOLDER / "weights")
    model = FOLDER / "weights" / "huggingface"
    command = [str(python.parent / "infinity_emb"), "v2", "--model-id", str(model)]
    command += ["--served-model-name", "embedded", "--engine", "torch", "--device", "cpu"]
    with _started([*command, "--log-level", "warning"], "infinity") as service:
        yield service


@contextmanager
def _started(command: Sequence[str], name: str) -> Iterator[Service]:
    port = free_port()
    offline = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    log = FOLDER / "logs" / f"{name}-{port}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, **offline},
        )
    try:
        wait_for(process, port, log)
        yield Service([port], [process.pid])
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Waits until the port is open.

    Raises:
        NotStartedError: The process ended, or takes too long.
    """
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    message = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    raise NotStartedError(message)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def private(process: int) -> int:
    """The private memory of a process in kB."""
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"RssAnon:\s+(\d+) kB", text)
    return int(found[1]) if found else 0
