"""Many rude clients on a server, until it is told to stop in the middle of them.

python -m benchmarks.soak [--seconds 600] [--connections 64]
"""

import argparse
import asyncio
import itertools
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tokenizers import Tokenizer

from benchmarks.serving.rude import MAX_BODY, POISON, TOKEN, Client, Question
from benchmarks.serving.services import free_port, private, wait_for
from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.models.references import EMBEDDED_FOLDER

QUESTIONS = 40
MOST_PASSAGES = 12

_PATIENCE = 600
"""Seconds after which an answer that has not come counts as wrong."""

_UNCERTAIN = 2.0
"""What was sent so many seconds before the signal, or later, may find the server gone."""


@dataclass(slots=True)
class Soak:
    """What happened.

    Attributes:
        seconds: How long clients came.
        outcomes: How often each thing was done and ended so.
        wrong: Answers that were not right.
        memory: Private memory in MB, once a second.
        threads: Threads before, and when all clients were gone.
        files: Open files at the same moments.
        exit_code: The server's.
    """

    seconds: float = 0.0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    threads: tuple[int, int] = (0, 0)
    files: tuple[int, int] = (0, 0)
    exit_code: int | None = None

    @property
    def growth(self) -> float:
        """Memory in the last fifth, as a part of that in the second fifth."""
        fifth = len(self.memory) // 5
        early, late = self.memory[fifth : 2 * fifth], self.memory[-fifth:]
        return float(np.median(late) / np.median(early)) if fifth else 1.0


def soak(*, connections: int, seconds: float = 600.0, requests: int | None = None) -> Soak:
    """Lets clients come until the time is over, or so much was sent, then stops the server.

    Args:
        connections: Clients at a time.
        seconds: How long they come.
        requests: How many things they do at most.
    """
    found = Soak()
    questions = _questions()
    with TemporaryDirectory() as folder, _serving(Path(folder)) as (process, port):
        first = Client(port, questions, random.Random(0))
        asyncio.run(first.asks())
        before = _threads(process), _files(process)
        asyncio.run(_traffic(found, process, port, questions, connections, seconds, requests))
        _wait_until_quiet(process, before)
        found.threads = before[0], _threads(process)
        found.files = before[1], _files(process)
        asyncio.run(_traffic(found, process, port, questions, connections, 3.0, None, stops=True))
        found.exit_code = process.wait(_PATIENCE)
    return found


async def _traffic(
    found: Soak,
    process: "subprocess.Popen[bytes]",
    port: int,
    questions: list[Question],
    connections: int,
    seconds: float,
    requests: int | None,
    *,
    stops: bool = False,
) -> None:
    """Sends requests from all connections; with `stops`, the server is stopped among them."""
    begun = time.monotonic()
    end = begun + seconds
    left = itertools.count() if requests is None else iter(range(requests))
    stopped = float("inf")

    async def visitor(number: int) -> None:
        client = Client(port, questions, random.Random(number))
        for _ in left:
            started = time.monotonic()
            if started > end or stopped < started - _UNCERTAIN:
                return
            name, action = client.next()
            try:
                outcome = await asyncio.wait_for(action(), _PATIENCE)
            except (OSError, EOFError) as error:
                outcome = "closed"
                if started < stopped - _UNCERTAIN:
                    found.wrong.append(f"{name}: {error!r}")
            except Exception as error:
                late = stopped < float("inf") and "503" in str(error)
                outcome = "503" if late else "wrong"
                if not late:
                    found.wrong.append(f"{name}: {error!r}")
            found.outcomes[name, outcome] += 1

    async def watch() -> None:
        nonlocal stopped
        while True:
            await asyncio.sleep(1)
            if not stops:
                found.memory.append(private(process.pid) / 1024)
            elif stopped == float("inf"):
                process.send_signal(signal.SIGTERM)
                stopped = time.monotonic()

    watching = asyncio.ensure_future(watch())
    await asyncio.gather(*map(visitor, range(connections)))
    watching.cancel()
    found.seconds += time.monotonic() - begun


def _questions() -> list[Question]:
    """Requests whose scores the library says."""
    chance = random.Random(0)
    texts = [f"{passage.title} {passage.text}" for passage in load_corpus()]
    queries = [question.query for question in load_questions()]
    made = []
    with CrossEncoderScorer("embedded") as scorer:
        reranker = Reranker(scorer)
        for _ in range(QUESTIONS):
            query = chance.choice(queries)
            documents = chance.sample(texts, chance.randint(1, MOST_PASSAGES))
            scores = {one.index: one.score for one in reranker.rank(query, documents)}
            body = {"query": query, "documents": documents}
            made.append(Question(body, [scores[place] for place in range(len(documents))]))
    return made


@contextmanager
def _serving(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A server of the embedded model, with a word that has no embedding."""
    model = folder / "model"
    shutil.copytree(EMBEDDED_FOLDER, model)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.add_tokens([POISON])
    tokenizer.save(str(model / "tokenizer.json"))
    tokens, log, port = folder / "tokens.txt", folder / "log.txt", free_port()
    tokens.write_text(TOKEN, encoding="utf-8")
    command = [sys.executable, "-m", "rerank_plugins.cli", "serve", str(model), "--backend", "onnx"]
    command += ["--token-file", str(tokens), "--port", str(port)]
    command += ["--max-body-bytes", str(MAX_BODY), "--max-queue-pairs", "1500"]
    command += ["--drain-seconds", str(_PATIENCE)]
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
    ):
        try:
            wait_for(process, port, log)
            yield process, port
        finally:
            process.kill()


def _wait_until_quiet(process: "subprocess.Popen[bytes]", before: tuple[int, int]) -> None:
    """Waits for the end of what clients left behind, but not for ever."""
    end = time.monotonic() + 30
    while (_threads(process), _files(process)) > before and time.monotonic() < end:
        time.sleep(0.1)


def _threads(process: "subprocess.Popen[bytes]") -> int:
    return len(list(Path(f"/proc/{process.pid}/task").iterdir()))


def _files(process: "subprocess.Popen[bytes]") -> int:
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def main() -> None:
    """Reads the command line, and prints what happened."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--connections", type=int, default=64)
    arguments = parser.parse_args()
    found = soak(connections=arguments.connections, seconds=arguments.seconds)
    for (name, outcome), times in sorted(found.outcomes.items()):
        sys.stdout.write(f"{name}: {outcome}: {times}\n")
    sys.stdout.write(
        f"{sum(found.outcomes.values())} in {found.seconds:.0f} s; wrong: {len(found.wrong)}; "
        f"memory {found.memory[0]:.0f} MB at first, {max(found.memory):.0f} MB at most, "
        f"{found.growth - 1:+.1%} from the second fifth to the last; threads {found.threads}, "
        f"files {found.files}; exit code {found.exit_code}\n"
    )
    sys.stdout.writelines(f"wrong: {one}\n" for one in found.wrong[:10])


if __name__ == "__main__":
    main()
