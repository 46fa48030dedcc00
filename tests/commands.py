"""The `rerank` command as tests type it, and the files that it reads."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Run: TypeAlias = Callable[..., tuple[int, str, str]]
"""Arguments to the exit code, what was printed, and what was said on the side."""


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def run_arguments(folder: Path, *, run: str, queries: str, corpus: str) -> list[str]:
    """Writes the three files of a TREC run; `rerank rank` takes them by these arguments."""
    files = {"run": run, "queries": queries, "corpus": corpus}
    return [f"--{name}={written(folder / name, text)}" for name, text in files.items()]
