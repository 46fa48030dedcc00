"""Hub models that are in the cache: from the start of a process to the first score, and memory.

The models have the shapes of known ones and random weights, which change neither. Each start is a
process of its own, and torch is in none of them.
"""

import hashlib
import statistics
import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from benchmarks.shape_folders import SHAPES, save_shape
from benchmarks.watched import Watched, watched, with_bytecode
from rerank_plugins.backends.machine import cpu_has_bf16

TITLE = "## Hub models: start to first score"

MODELS = (
    "cross-encoder/ms-marco-MiniLM-L4-v2",
    "cross-encoder/ettin-reranker-17m-v1",
    "Alibaba-NLP/gte-reranker-modernbert-base",
)
WAYS = {
    "onnx fp32": ("onnx", "fp32"),
    "openvino fp32": ("openvino", "fp32"),
    "openvino bf16": ("openvino", "bf16"),
    "jax fp32": ("jax", "fp32"),
}
ROUNDS = 3

_COMMIT = "0" * 40
_FIRST_SCORE = """
import os, sys
from rerank_plugins import CrossEncoderScorer
model, cache, backend, precision = sys.argv[1:]
options = {"cache_folder": cache, "local_files_only": True}
scorer = CrossEncoderScorer(model, backend=backend, precision=precision, **options)
scorer.score("how do bees talk", ["By dancing."])
if "torch" in sys.modules:
    sys.exit("torch was imported")
os._exit(0)
"""
"""It ends at once: what the interpreter takes apart at its end is no part of a start."""


@dataclass(frozen=True, slots=True)
class Start:
    """Starts of a model.

    Attributes:
        million: Parameters of the model.
        ways: Those of each way.
    """

    million: float
    ways: Mapping[str, list[Watched]]


def starts() -> str:
    """Returns the section of the report."""
    ways = {way: run for way, run in WAYS.items() if run[1] != "bf16" or cpu_has_bf16()}
    rows = {}
    for name in MODELS:
        with tempfile.TemporaryDirectory() as temporary:
            rows[name] = measure(name, ways, Path(temporary))
    return render(rows)


def measure(name: str, ways: Mapping[str, tuple[str, str]], folder: Path) -> Start:
    """Starts a model in each way, in turns.

    Args:
        name: One of the `SHAPES`.
        ways: Backend and precision of each way.
        folder: Where the model is written.
    """
    with redirect_stdout(sys.stderr):  # the libraries' progress
        parameters = save_shape(SHAPES[name], folder / "model")
    cache_of_hub(name, folder / "model", folder / "cache")
    command = [sys.executable, "-W", "ignore", "-c", _FIRST_SCORE, name, str(folder / "cache")]
    environment = with_bytecode(folder / "bytecode")
    found: dict[str, list[Watched]] = {way: [] for way in ways}
    for number in range(ROUNDS + 1):
        for way, run in ways.items():
            one = watched([*command, *run], environment)
            if number:  # the first writes bytecode, and has the system read the files
                found[way].append(one)
    return Start(parameters / 1e6, found)


def cache_of_hub(name: str, model: Path, cache: Path) -> None:
    """Writes a model's files as the hub's cache has them: links to files named by a digest."""
    place = cache / f"models--{name.replace('/', '--')}"
    for part in ("blobs", "refs"):
        (place / part).mkdir(parents=True)
    (place / "refs" / "main").write_text(_COMMIT)
    for file in sorted(file for file in model.rglob("*") if file.is_file()):
        relative = file.relative_to(model)
        blob = place / "blobs" / hashlib.sha256(str(relative).encode()).hexdigest()
        file.rename(blob)
        link = place / "snapshots" / _COMMIT / relative
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)


def render(rows: Mapping[str, Start]) -> str:
    """The section: a row for each model and way."""
    lines = [
        f"{TITLE}\n",
        "Random weights in the shape of each model, in the hub's cache, which the system has read "
        "before; no torch, no network. Memory of its own is what a second process takes as well, "
        "and most of it is the weights in the order that the runtime's products want; that of "
        f"files is shared. Medians of {ROUNDS} processes, which took turns.\n",
        "| shape of | weights, MB | way | seconds | slowest | its own memory, MB | of files, MB |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        for way, found in row.ways.items():
            seconds = [one.seconds for one in found]
            private, shared = (
                statistics.median(getattr(one, kind) for one in found)
                for kind in ("private", "shared")
            )
            lines.append(
                f"| `{name}` | {row.million * 4:.0f} | {way} | {statistics.median(seconds):.2f} "
                f"| {max(seconds):.2f} | {private:.0f} | {shared:.0f} |"
            )
    return "\n".join(lines)
