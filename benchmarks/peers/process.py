"""Workers in processes of their own, such as peers, which wait until they are asked."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Any, Self

from benchmarks.peers.catalogue import Peer

ROOT = Path(__file__).parent.parent.parent
LOAD_SECONDS = 600
"""Quantising the embedded model, once, is the longest."""

REQUEST_SECONDS = 300


class PeerFailedError(RuntimeError):
    """The worker did not load, or did not answer; the message is the reason in one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Seconds that a call took, a score for each passage, and the use of a processor before it."""

    seconds: float
    scores: list[float]
    idle: float


class WorkerProcess:
    """A module that runs in a process of its own and answers with one JSON object per request.

    Its first object says that it is ready. Hubs are out of reach, as it has local weights.

    Args:
        python: The interpreter.
        module: The module.
        description: What it is to load, as its only argument.
        log: Where it writes what is no answer.

    Attributes:
        ready: Its first object.

    Raises:
        PeerFailedError: It ended before it was ready.
    """

    def __init__(
        self, python: Path, module: str, description: Mapping[str, Any], log: Path
    ) -> None:
        self._log = log
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1"}
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [str(python), "-W", "ignore", "-m", module, json.dumps(description)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env={**os.environ, **offline},
            )
        try:
            self.ready = self._read(LOAD_SECONDS)
        except PeerFailedError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def request(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            PeerFailedError: It failed, or took too long.
        """
        try:
            self._stream("stdin").write(json.dumps(content) + "\n")
            self._stream("stdin").flush()
        except BrokenPipeError:
            raise PeerFailedError(self._reason()) from None
        return self._read(REQUEST_SECONDS)

    def close(self) -> None:
        """Ends the process."""
        self._stream("stdin").close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stream("stdout").close()

    def _read(self, seconds: float) -> dict[str, Any]:
        timer = Timer(seconds, self._process.kill)
        timer.start()
        line = self._stream("stdout").readline()
        in_time = timer.is_alive()
        timer.cancel()
        if line:
            content: dict[str, Any] = json.loads(line)
            return content
        raise PeerFailedError(self._reason() if in_time else f"no answer in {seconds} seconds")

    def _reason(self) -> str:
        """The last line of what it wrote before it ended."""
        self._process.wait(timeout=10)
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        lines = [line.strip() for line in lines if line.strip()]
        return lines[-1] if lines else f"it ended with {self._process.returncode}"

    def _stream(self, name: str) -> Any:
        return getattr(self._process, name)


class PeerProcess(WorkerProcess):
    """Loads a peer in its interpreter.

    Raises:
        PeerFailedError: It cannot be loaded.
    """

    def __init__(self, peer: Peer, python: Path, weights: Path, log: Path) -> None:
        description = {
            "weights": "embedded" if peer.weights == "embedded" else str(weights / peer.weights),
            "options": dict(peer.options),
            "packages": peer.packages,
        }
        super().__init__(python, f"benchmarks.peers.workers.{peer.worker}", description, log)
        self.versions: dict[str, str] = self.ready["versions"]

    def ask(self, query: str, passages: list[str]) -> Answer:
        """Has the passages scored.

        Raises:
            PeerFailedError: It failed, or took too long.
        """
        answer = Answer(**self.request({"query": query, "passages": passages}))
        if len(answer.scores) != len(passages):
            message = f"{len(answer.scores)} scores for {len(passages)} passages"
            raise PeerFailedError(message)
        return answer
