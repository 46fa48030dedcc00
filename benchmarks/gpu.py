"""GPU section: this project's torch backend, `CrossEncoder.predict`, and where the time goes.

With `device="cpu"` everything runs on few texts, to try the code without a GPU.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from benchmarks.gpu_models import Model, loaded, save_random_base
from benchmarks.gpu_parts import parts_table
from benchmarks.gpu_speed import batch_sizes, budgets, bulk, first_scores, one_query
from benchmarks.gpu_tasks import FULL, TINY, Size, bulk_pairs, few_words
from benchmarks.gpu_variants import timed, tried
from benchmarks.ways import Texts, embedded_tokenizer, texts
from rerank_plugins.models.references import EMBEDDED_FOLDER

LATEST = 240
"""Seconds after which no further part starts, because GPU time is limited."""

COMPILE_UNTIL = 200
"""Seconds after which `torch.compile` is no longer tried, because it is slow."""


class NoGpuError(RuntimeError):
    """The requested device is not available."""


def gpu(device: str = "cuda") -> str:
    """Returns the section of the report.

    Raises:
        NoGpuError: Torch finds no GPU, and the CPU was not requested.
    """
    if device != "cpu" and not torch.cuda.is_available():
        message = (
            f"device={device!r}: torch {torch.__version__} finds no GPU here. Run this section on "
            "a machine with one, or try the code out with --device cpu."
        )
        raise NoGpuError(message)
    size = TINY if device == "cpu" else FULL
    data = texts() if size is FULL else few_words(texts())
    report = _Report(["## A GPU\n", described(device), _note(size)])
    with loaded("embedded", EMBEDDED_FOLDER, ("fp32", "fp16", "bf16"), device) as model:
        report.add(lambda: first_scores(model, data))
        best = batch_sizes(model, data, size, ("short", "long", "bulk"))
        for name, rounds in (("short", size.rounds), ("long", max(2, size.rounds // 2))):
            report.add(lambda: one_query(model, data, name, rounds, best[name], size))  # noqa: B023
        report.add(lambda: bulk(model, data, best["bulk"], size))
        report.add(lambda: _exactness(model, data, size))
        pairs = bulk_pairs(data, size.bulk, 900)
        report.add(lambda: parts_table(model, ("fp32", "fp16"), pairs))
        report.add(lambda: _variants(model, data, "fp16", compiling=False))
        report.add(lambda: _variants(model, data, "fp32", compiling=False))
        report.add(lambda: budgets(model, data, size))
    if report.seconds() < LATEST:
        _measure_base(report, data, size, device)
    if device != "cpu" and report.seconds() < COMPILE_UNTIL:
        with loaded("embedded", EMBEDDED_FOLDER, ("fp16",), device) as model:
            report.add(lambda: _variants(model, data, "fp16", compiling=True))
    report.parts.append(f"Measured in {report.seconds():.0f} seconds.")
    return "\n\n".join(report.parts)


class _Report:
    """The parts of the section, each printed immediately, so that a stopped run keeps its parts."""

    def __init__(self, parts: list[str]) -> None:
        self.parts = parts
        self._start = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._start

    def add(self, measure: Callable[[], str]) -> None:
        """Measures a part if there is time; a part that fails does not stop the others."""
        if self.seconds() > LATEST:
            part = f"A part was left out, because {LATEST} seconds were over."
        else:
            try:
                part = measure()
            except Exception as error:
                part = f"A part failed: {type(error).__name__}: {error}"
        sys.stdout.write(part + "\n\n")
        sys.stdout.flush()
        self.parts.append(part)


def _measure_base(report: _Report, data: Texts, size: Size, device: str) -> None:
    """Measures the bigger model, only in fp16."""
    with tempfile.TemporaryDirectory() as folder:
        base = save_random_base(Path(folder) / "base", device, **size.base)
        with loaded("BERT base, random weights", base, ("fp16",), device) as bigger:
            best = batch_sizes(bigger, data, size, ("bulk",))
            report.add(lambda: bulk(bigger, data, best["bulk"], size))
            report.add(lambda: parts_table(bigger, ("fp16",), bulk_pairs(data, size.bulk, 901)))
            report.add(lambda: _variants(bigger, data, "fp16", compiling=False))


def described(device: str) -> str:
    """The GPU, its driver, CUDA, and its highest rate of matrix products."""
    if device == "cpu":
        return "No GPU: the processor, to try the code out. The figures mean nothing."
    properties = torch.cuda.get_device_properties(device)
    try:
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
        version = driver.stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        version = "unknown"
    rates = ", ".join(f"{name} {_rate(name, device) / 1e12:.0f}" for name in ("float32", "float16"))
    return (
        f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, driver {version}, CUDA "
        f"{torch.version.cuda}. A matrix product of 8192: {rates} Top/s."
    )


def _rate(dtype: str, device: str, width: int = 8192) -> float:
    one, two = (torch.randn(width, width, device=device, dtype=getattr(torch, dtype)) for _ in "ab")
    return 2 * width**3 / timed(lambda: one @ two, torch.device(device))


def _note(size: Size) -> str:
    return (
        f"`predict` is `CrossEncoder.predict` at the best of the batch sizes "
        f"{', '.join(map(str, size.batches))}, chosen for each precision and each task; raw "
        "logits. Every call gets new texts. Ways take turns in every round."
    )


def _exactness(model: Model, data: Texts, size: Size) -> str:
    questions = [
        [(query, passage) for passage in (data.short if size is FULL else data.short[:8])]
        for query in data.queries[: size.questions]
    ]
    batch = size.batches[0]
    reference = [model.predict("fp32", pairs, batch) for pairs in questions]
    lines = [
        f"### Exactness, {model.title}\n",
        f"Compared with `predict` in fp32 on this device, over {size.questions} questions with "
        f"{len(questions[0])} passages each.\n",
        "| way | precision | largest difference of a logit | tau, mean | tau, least |",
        "|---|---|---:|---:|---:|",
    ]
    for way in ("`predict`", "torch backend"):
        for precision in model.ours:
            scores = [
                model.predict(precision, pairs, batch)
                if "predict" in way
                else model.score(precision, pairs)
                for pairs in questions
            ]
            both = list(zip(scores, reference, strict=True))
            taus = [kendalltau(mine, wanted).statistic for mine, wanted in both]
            error = max(float(np.abs(mine - wanted).max()) for mine, wanted in both)
            lines.append(
                f"| {way} | {precision} | {error:.1e} | {np.mean(taus):.4f} | {min(taus):.4f} |"
            )
    return "\n".join(lines)


def _variants(model: Model, data: Texts, precision: str, *, compiling: bool) -> str:
    """Compares other ways to run only the model, on batches of several sizes."""
    tokenizer = embedded_tokenizer()
    stock = model.stock[precision]
    batches = {"10 passages": 10, "100 passages": 100, "360 passages": 360}
    if stock.device.type == "cpu":
        batches = {"2 passages": 2, "4 passages": 4}
    if compiling:
        batches = {"100 passages": 100}
    columns: list[list[str]] = []
    for count in batches.values():
        pairs = sorted(tokenizer.encode(bulk_pairs(data, count, 600)), key=len, reverse=True)
        inner: Any = stock[0].model
        column = tried(inner, pairs, compiling=compiling)
        columns.append(
            [
                f"failed: {one.failure}"
                if one.milliseconds is None
                else f"{one.milliseconds:.2f} ({one.difference:.0e})"
                for one in column
            ]
        )
        names = [one.name for one in column]
    lines = [
        f"### The model alone, {precision}, {model.title}\n",
        "Milliseconds per batch by the GPU's clock, launches included, and the largest difference "
        "of a logit from the unchanged model.\n",
        f"| way | {' | '.join(batches)} |",
        "|---|" + "---:|" * len(batches),
    ]
    lines += [
        f"| {name} | {' | '.join(cells)} |" for name, *cells in zip(names, *columns, strict=True)
    ]
    return "\n".join(lines)
