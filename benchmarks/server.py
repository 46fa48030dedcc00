"""`rerank serve` under load, beside infinity and a plain service of `CrossEncoder.predict`.

Every service runs in a process of its own, and so does the load generator. They have the same
weights in fp32 and take turns at each number of connections.
"""

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.process import WorkerProcess
from benchmarks.serving import services
from benchmarks.serving.services import FOLDER, NotStartedError, Service
from rerank_plugins.demo import load_corpus, load_questions

PASSAGES = 50

REQUESTS = {1: (4, 2), 4: (2, 2), 16: (1, 2), 64: (1, 1)}
"""By the number of connections: requests of each in a turn, and turns."""

PROCESSES_AT = 16
"""The connections at which one process is compared with two."""

OURS, LIBRARY = "`rerank serve`", "the library, without HTTP"
PLAIN, PREDICT = "FastAPI and `predict`", "`predict`, without HTTP"
INFINITY = "infinity"

Ask = Callable[[list[dict[str, Any]], int], dict[str, Any]]
"""Sends requests from so many connections; what `calls` answers."""


@dataclass(slots=True)
class Cell:
    """What a way did with some connections, over all turns."""

    seconds: list[float] = field(default_factory=list)
    total: float = 0.0
    wrong: int = 0
    busy: float = 0.0
    memory: float = 0.0

    @property
    def rate(self) -> float:
        """Pairs per second."""
        return len(self.seconds) * PASSAGES / self.total


@dataclass(frozen=True, slots=True)
class Way:
    """A way to have requests answered; `service` is `None` without HTTP."""

    ask: Ask
    service: Service | None = None


def server() -> str:
    """Returns the section of the report."""
    bodies = _bodies()
    with ExitStack() as stack:
        generator = stack.enter_context(_worker("http_calls", {}))
        ways, missing = _ways(stack, generator)
        for way in ways.values():
            way.ask([next(bodies)], 1)
        cells = {
            connections: _turns(ways, bodies, connections, *REQUESTS[connections])
            for connections in REQUESTS
        }
    with ExitStack() as stack:
        generator = stack.enter_context(_worker("http_calls", {}))
        many = {
            name: _over_http(generator, stack.enter_context(started))
            for name, started in _processes().items()
        }
        for way in many.values():
            way.ask([next(bodies), next(bodies)], 2)
        shared = _turns(many, bodies, PROCESSES_AT, *REQUESTS[PROCESSES_AT])
    return "\n".join([*_report(cells, missing), "", *_report_of_processes(shared)])


def _bodies() -> Iterator[dict[str, Any]]:
    """Requests without end; a number behind each passage makes it one that was never met."""
    passages = [f"{passage.title} {passage.text}" for passage in load_corpus()][:PASSAGES]
    questions = itertools.cycle([question.query for question in load_questions()])
    for number, query in enumerate(questions):
        yield {"query": query, "documents": [f"{text} {number}" for text in passages]}


def _ways(stack: ExitStack, generator: WorkerProcess) -> tuple[dict[str, Way], dict[str, str]]:
    """The ways that can run here, the library first, and why others cannot."""
    found = {LIBRARY: _in_process(stack, "library"), PREDICT: _in_process(stack, "predict")}
    missing = {}
    started = {OURS: services.ours, PLAIN: services.plain, INFINITY: services.infinity}
    for name, start in started.items():
        try:
            found[name] = _over_http(generator, stack.enter_context(start()))
        except NotStartedError as error:
            missing[name] = str(error)
    return found, missing


def _processes() -> dict[str, AbstractContextManager[Service]]:
    half = max(1, len(os.sched_getaffinity(0)) // 2)
    return {
        "one process": services.ours(),
        "two processes, each with all cores": services.ours(processes=2),
        f"two processes, `--threads {half}`": services.ours(processes=2, threads=half),
    }


def _worker(name: str, description: Mapping[str, Any]) -> WorkerProcess:
    log = FOLDER / "logs" / f"{name}.txt"
    module = f"benchmarks.serving.{name}"
    return WorkerProcess(Path(sys.executable), module, description, log)


def _in_process(stack: ExitStack, name: str) -> Way:
    worker = stack.enter_context(_worker("own_calls", {"way": name}))
    return Way(lambda requests, callers: worker.request({"requests": requests, "callers": callers}))


def _over_http(generator: WorkerProcess, service: Service) -> Way:
    def ask(requests: list[dict[str, Any]], connections: int) -> dict[str, Any]:
        return generator.request(
            {"requests": requests, "callers": connections, "ports": service.ports}
        )

    return Way(ask, service)


def _turns(
    ways: Mapping[str, Way],
    bodies: Iterator[dict[str, Any]],
    connections: int,
    requests: int,
    turns: int,
) -> dict[str, Cell]:
    """Gives each way the same requests, turn by turn; `predict` alone is asked by one caller."""
    cells = {name: Cell() for name in ways}
    for _ in range(turns):
        given = [next(bodies) for _ in range(connections * requests)]
        best: list[int] = []
        for name, way in ways.items():
            if name == PREDICT and connections > 1:
                continue
            done = way.ask(given, connections)
            best = best or done["best"]
            cell = cells[name]
            cell.seconds += done["seconds"]
            cell.total += done["total"]
            cell.busy += done["busy"]
            cell.wrong += sum(was != wanted for was, wanted in zip(done["best"], best, strict=True))
            if way.service is not None:
                cell.memory = max(cell.memory, way.service.memory())
            sys.stderr.write(f"{connections}: {name}: {cell.rate:.0f} pairs/s\n")
    return {name: cell for name, cell in cells.items() if cell.seconds}


def _report(cells: Mapping[int, Mapping[str, Cell]], missing: Mapping[str, str]) -> list[str]:
    alone = cells[1]
    ratio = alone[LIBRARY].rate / alone[PREDICT].rate
    cores = len(os.sched_getaffinity(0))
    busy = max(
        cell.busy / cell.total
        for row in cells.values()
        for name, cell in row.items()
        if name not in (LIBRARY, PREDICT)
    )
    lines = [
        f"## Over HTTP: connections of {PASSAGES} passages each\n",
        "Command: `make bench-server`. Every service runs in a process of its own and has the same "
        "weights in fp32; the library and `rerank serve` run them in ONNX Runtime, the others in "
        "torch. The load generator shares the processors with them: it used "
        f"{busy / cores:.1%} of the {cores} at most. The fair share is the time per request of a "
        "single connection, times the number of connections. An error is an answer with another "
        "best passage than the library's, or none. Memory is private memory. The library does "
        f"{ratio:.2f} times the pairs of `predict` with a single caller.\n",
        "| service | connections | pairs/s | of the library's | p50 | p99 | p99 / fair share "
        "| errors | memory |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for connections, row in cells.items():
        for name, cell in row.items():
            fair = float(np.median(alone[name].seconds)) * connections
            lines.append(
                f"| {name} | {connections} | {cell.rate:.0f} "
                f"| {cell.rate / row[LIBRARY].rate:.2f} | {_latencies(cell)} "
                f"| {np.quantile(cell.seconds, 0.99) / fair:.2f} | {cell.wrong} "
                f"| {_megabytes(cell)} |"
            )
    lines += [f"\n{name} could not be measured: {reason}." for name, reason in missing.items()]
    return lines


def _report_of_processes(cells: Mapping[str, Cell]) -> list[str]:
    lines = [
        f"`rerank serve` in one process and in two, {PROCESSES_AT} connections together:\n",
        "| processes | pairs/s | p50 | p99 | memory |",
        "|---|---:|---:|---:|---:|",
    ]
    return lines + [
        f"| {name} | {cell.rate:.0f} | {_latencies(cell)} | {_megabytes(cell)} |"
        for name, cell in cells.items()
    ]


def _latencies(cell: Cell) -> str:
    p50, p99 = np.quantile(cell.seconds, [0.5, 0.99]) * 1000
    return f"{p50:.0f} ms | {p99:.0f} ms"


def _megabytes(cell: Cell) -> str:
    return f"{cell.memory:.0f} MB" if cell.memory else ""
