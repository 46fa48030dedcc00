"""Processes of their own without their own imports: these take longest where many are started."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

HEAVY = ["torch", "sentence_transformers", "haystack", "llama_index.core", "langchain_core"]


@contextmanager
def forked_process() -> Iterator[ProcessPoolExecutor]:
    """A new process for one call, forked from one that has the heavy imports behind it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        yield pool


def run_forked(
    code: str, *arguments: object, folder: Path | None = None, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Runs code as `python -c` would, in such a process.

    Args:
        code: The code.
        arguments: Its arguments.
        folder: The working folder.
        environment: Variables to set; `None` removes one.
    """
    command = ["-c", *map(str, arguments)]
    changed = {**os.environ, **environment}
    variables = {name: value for name, value in changed.items() if value is not None}
    with forked_process() as process:
        done = process.submit(_run, code, command, folder or Path.cwd(), variables).result()
    return subprocess.CompletedProcess(command, *done)


def _run(
    code: str, command: list[str], folder: Path, variables: dict[str, str]
) -> tuple[int, str, str]:
    sys.argv = command
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    returncode = 0
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        try:
            exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
        except SystemExit as end:
            returncode = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
            returncode = 1
        sys.stdout.flush()
        sys.stderr.flush()
        output.seek(0)
        errors.seek(0)
        return returncode, output.read().decode(), errors.read().decode()
