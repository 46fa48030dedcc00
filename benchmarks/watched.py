"""A process watched from outside: how long it takes, and the most memory that it has."""

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_EVERY = 0.002
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a process took.

    Attributes:
        seconds: From its start to its end.
        private: The most memory of its own, in MB.
        shared: The most of files, such as weights that are read in place, in MB; other processes
            that read the same files share it.
    """

    seconds: float
    private: float
    shared: float


def with_bytecode(folder: Path) -> dict[str, str]:
    """The environment of processes that find bytecode, as they do after an installation.

    Args:
        folder: Where the first of them writes it.
    """
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**given, "PYTHONPYCACHEPREFIX": str(folder)}


def watched(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Watched:
    """Runs a command on Linux, and looks at its memory meanwhile.

    Args:
        command: The program and its arguments.
        environment: Its environment; by default this process's.

    Raises:
        subprocess.CalledProcessError: It failed; its last line of standard error is the output.
    """
    start = time.perf_counter()
    peaks = {"RssAnon": 0, "RssFile": 0}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            text = status.read_text()
            for name in peaks:
                found = re.search(rf"{name}:\s+(\d+) kB", text)  # none in its last moment
                peaks[name] = max(peaks[name], int(found[1]) if found else 0)
            time.sleep(_EVERY)
        seconds = time.perf_counter() - start
        assert process.stderr is not None
        lines = process.stderr.read().splitlines()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, lines[-1] if lines else "")
    return Watched(seconds, peaks["RssAnon"] / 1024, peaks["RssFile"] / 1024)
