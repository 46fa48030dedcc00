"""The models that people use, as shapes with random weights: ours beside `CrossEncoder.predict`.

Each way of running a shape is a process of its own, and they take turns. Times depend on the shape
of a model and not on its weights, so no weights are needed.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.peers.process import PeerFailedError, WorkerProcess
from benchmarks.shape_folders import SHAPES, Shape, save_shape
from benchmarks.ways import embedded_tokenizer, texts, unmet
from benchmarks.work import Work, pair_work
from rerank_plugins import compile_model
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.errors import RerankError

TITLE = "## Models that people use, as shapes"

STOCK = "`predict` fp32"
WAYS = {
    "onnx fp32": ("onnx", "fp32"),
    "openvino fp32": ("openvino", "fp32"),
    "openvino bf16": ("openvino", "bf16"),
    "openvino int8": ("openvino", "int8"),
}

TOKENS = 92
"""Mean tokens of a pair."""

ROUNDS = 3
REST = 0.2
"""Seconds before each measurement, in which threads of others stop turning for new work."""

OPERATIONS = 60e9
"""Of a request: as many pairs as need that, between the next two."""

FEWEST, MOST = 16, 80


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of a shape.

    Attributes:
        million: Parameters of the model.
        work: Operations of a pair.
        speeds: Pairs per second by way.
        rates: Operations per second of large products, by way.
        missing: Why ways are missing.
    """

    million: float
    work: Work
    speeds: Mapping[str, float]
    rates: Mapping[str, float]
    missing: Mapping[str, str]


def shapes() -> str:
    """Returns the section of the report."""
    rows = {}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        # What is compiled on the way stays out of the user's cache.
        stack.enter_context(patch.dict("os.environ", XDG_CACHE_HOME=f"{temporary}/cache"))
        for name, shape in SHAPES.items():
            folder = Path(temporary) / name.replace("/", "--")
            rows[name] = measure(shape, folder)
            _say(f"{name}: {_speeds(rows[name])}")
    return render(rows)


def measure(shape: Shape, folder: Path) -> Row:
    """Measures a shape.

    Args:
        shape: The shape.
        folder: Where its model is written, with the processes' logs.
    """
    parameters = save_shape(shape, folder / "model")
    passages, lengths = requests()
    step = max(1, len(passages) // _count(pair_work(shape.sizes, lengths)))
    passages, work = passages[::step], pair_work(shape.sizes, lengths[::step])
    query = texts().queries[0]
    missing: dict[str, str] = {}
    speeds: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        loaded = {}
        for way in (STOCK, *WAYS):
            try:
                loaded[way] = stack.enter_context(_loaded(way, folder))
            except (PeerFailedError, RerankError) as error:
                missing[way] = str(error).replace(f"'{folder / 'model'}'", "it")
        for number in range(ROUNDS + 1):
            new = unmet(passages, number)
            for way, process in loaded.items():
                time.sleep(REST)
                rate = process.request({})["rate"]
                seconds = process.request({"query": query, "passages": new})["seconds"]
                if number:  # the first is to warm up
                    rates.setdefault(way, []).append(rate)
                    speeds.setdefault(way, []).append(len(new) / seconds)
    return Row(
        parameters / 1e6,
        work,
        {way: statistics.median(values) for way, values in speeds.items()},
        {way: statistics.median(values) for way, values in rates.items()},
        missing,
    )


def _loaded(way: str, folder: Path) -> WorkerProcess:
    description = {"model": str(folder / "model")}
    if way != STOCK:
        backend, precision = WAYS[way]
        if precision == "bf16" and not cpu_has_bf16():
            message = "this processor has no bf16 instructions"
            raise PeerFailedError(message)
        description |= {"backend": backend, "precision": precision}
    if way == "openvino int8":  # quantised with few pairs: the values change no time
        pairs = [(query, text) for query, text in zip(texts().queries, texts().short, strict=False)]
        compile_model(folder / "model", folder / "int8", precision="int8", calibration=pairs[:8])
        description["model"] = str(folder / "int8")
    log = folder / f"{way.replace(' ', '-')}.log"
    return WorkerProcess(Path(sys.executable), "benchmarks.shape_worker", description, log)


def requests() -> tuple[list[str], list[int]]:
    """Passages of the demo, each with words of the next, and the tokens of their pairs.

    They are as different in length as the demo's, and have `TOKENS` on average.
    """
    data = texts()
    tokenizer = embedded_tokenizer()

    def lengths(passages: list[str]) -> list[int]:
        return [len(pair) for pair in tokenizer.encode([(data.queries[0], p) for p in passages])]

    (around,) = lengths([""])  # the query, and special tokens
    factor = (TOKENS - around) / (float(np.mean(lengths(data.short))) - around)
    passages = []
    for text, following in zip(data.short, [*data.short[1:], data.short[0]], strict=True):
        words = [*text.split(), *following.split()]
        passages.append(" ".join(words[: round(len(text.split()) * factor)]))
    return passages, lengths(passages)


def _count(work: Work) -> int:
    return int(np.clip(OPERATIONS / work.total, FEWEST, MOST))


def render(rows: Mapping[str, Row]) -> str:
    """The section: speeds, and what of the machine is reached."""
    ways = [STOCK, *WAYS]
    lines = [
        f"{TITLE}\n",
        f"Random weights in the shape of each model, {TOKENS} tokens per pair on average, the same "
        "for all, since all have the embedded model's tokenizer. Each way runs in a process of its "
        f"own; the ways take turns, and the figures are medians of {ROUNDS} rounds. Operations "
        "are those that a pair needs at least. Pairs per second, and how many times as many as "
        "`CrossEncoder.predict`:\n",
        f"| shape of | million | Gop/pair | {' | '.join(ways)} |",
        "|---|---:|---:|" + "---:|" * len(ways),
    ]
    for name, row in rows.items():
        cells = [_speed(row, way) for way in ways]
        lines.append(
            f"| `{name}` | {row.million:.0f} | {row.work.total / 1e9:.2f} | {' | '.join(cells)} |"
        )
    lines += [
        "\nThe share of the rate of a large matrix product, which each way measures in its own "
        "process and precision:\n",
        f"| shape of | {' | '.join(ways)} |",
        "|---|" + "---:|" * len(ways),
    ]
    for name, row in rows.items():
        shares = [
            f"{row.speeds[way] * row.work.total / row.rates[way]:.0%}" if way in row.speeds else ""
            for way in ways
        ]
        lines.append(f"| `{name}` | {' | '.join(shares)} |")
    rates = {way: [row.rates[way] for row in rows.values() if way in row.rates] for way in ways}
    known = [
        f"{way} {statistics.median(values) / 1e9:.0f}" for way, values in rates.items() if values
    ]
    lines.append(f"\nThose rates, in Gop/s: {', '.join(known)}.")
    lines += _missing(rows)
    return "\n".join(lines)


def _speed(row: Row, way: str) -> str:
    if way not in row.speeds:
        return ""
    speed = row.speeds[way]
    shown = f"{speed:.0f}" if speed >= 10 else f"{speed:.1f}"
    return shown if way == STOCK else f"{shown} ({speed / row.speeds[STOCK]:.2f}x)"


def _missing(rows: Mapping[str, Row]) -> Iterator[str]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, row in rows.items():
        for way, reason in row.missing.items():
            reasons.setdefault((way, " ".join(reason.split())), []).append(f"`{name}`")
    if reasons:
        yield "\nNot measured:\n"
    for (way, reason), names in reasons.items():
        yield f"- {way}, {', '.join(names)}: {reason.removesuffix('.')}."


def _speeds(row: Row) -> str:
    return ", ".join(f"{way} {speed:.1f}" for way, speed in row.speeds.items())


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
