"""The core against the stock way, on the embedded weights; writes docs/benchmarks.md."""

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau
from sentence_transformers import CrossEncoder

from rerank_plugins import CrossEncoderScorer
from rerank_plugins._model import EMBEDDED_FOLDER
from rerank_plugins.demo import load_corpus, load_questions

ROUNDS = 5
QUERIES = 4
PASSAGES = 100
REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"

COLD_START = """
import re, sys
from pathlib import Path
from rerank_plugins import CrossEncoderScorer
CrossEncoderScorer("embedded", backend=sys.argv[1]).score("how do bees talk", ["By dancing."])
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""
STOCK_COLD_START = """
import re, sys
from pathlib import Path
from sentence_transformers import CrossEncoder
CrossEncoder(sys.argv[1], device="cpu").predict([("how do bees talk", "By dancing.")])
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def main() -> None:
    """Measures, prints the report and writes it."""
    report = "\n\n".join([_heading(), _throughput(), _start()]) + "\n"
    REPORT.write_text(report, encoding="utf-8")
    sys.stdout.write(report)


def _heading() -> str:
    packages = ("sentence-transformers", "transformers", "torch", "onnxruntime", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        "# Benchmarks\n\nCommand: `make bench`. Medians; every round runs all paths one after the "
        f"other.\n\nMachine: {_processor()}, {torch.get_num_threads()} threads. Python "
        f"{platform.python_version()}, {versions}."
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    features = [flag for flag in ("avx2", "avx512f", "avx512_bf16") if flag in flags]
    return f"{names[0] if names else platform.processor()} ({', '.join(features)})"


def _throughput() -> str:
    """Pairs per second of each path on the same queries, and how far its scores are off."""
    passages = [f"{passage.title} {passage.text}" for passage in load_corpus()][:PASSAGES]
    queries = [question.query for question in load_questions()][:QUERIES]
    stock = CrossEncoder(str(EMBEDDED_FOLDER), device="cpu", model_kwargs={"dtype": torch.float32})
    scorers = {
        "`CrossEncoderScorer`, torch fp32": CrossEncoderScorer("embedded", backend="torch"),
        "`CrossEncoderScorer`, ONNX Runtime fp32": CrossEncoderScorer("embedded", backend="onnx"),
    }
    identity = torch.nn.Identity()
    paths: dict[str, Callable[[str], np.ndarray]] = {
        "`CrossEncoder.predict`, torch fp32, its defaults": lambda query: stock.predict(
            [(query, passage) for passage in passages], activation_fn=identity
        )
    }
    for name, scorer in scorers.items():
        paths[name] = lambda query, scorer=scorer: scorer.score(query, passages)
    reference = {query: next(iter(paths.values()))(query) for query in queries}
    seconds: dict[str, list[float]] = {name: [] for name in paths}
    error = dict.fromkeys(paths, 0.0)
    tau: dict[str, list[float]] = {name: [] for name in paths}
    for name, score in paths.items():  # warm up, and compare
        for query in queries:
            scores = score(query)
            error[name] = max(error[name], float(np.abs(scores - reference[query]).max()))
            tau[name].append(float(kendalltau(scores, reference[query]).statistic))
    for _ in range(ROUNDS):
        for query in queries:
            for name, score in paths.items():
                start = time.perf_counter()
                score(query)
                seconds[name].append(time.perf_counter() - start)
    for scorer in scorers.values():
        scorer.close()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    stock_median = next(iter(medians.values()))
    words = statistics.mean(len(passage.split()) for passage in passages)
    lines = [
        f"## One query, {len(passages)} passages of {words:.0f} words on average\n",
        "| path | pairs/s | ms a query, median | p95 | ratio | largest logit difference | tau |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, median in medians.items():
        p95 = float(np.percentile(seconds[name], 95))
        lines.append(
            f"| {name} | {len(passages) / median:.0f} | {median * 1e3:.0f} | {p95 * 1e3:.0f} "
            f"| {stock_median / median:.2f} | {error[name]:.1e} "
            f"| {statistics.mean(tau[name]):.3f} |"
        )
    return "\n".join(lines)


def _start() -> str:
    """Process start to first score, peak memory, and import time."""
    commands = {
        "`CrossEncoder` (torch)": ["-c", STOCK_COLD_START, str(EMBEDDED_FOLDER)],
        "`CrossEncoderScorer`, torch": ["-c", COLD_START, "torch"],
        "`CrossEncoderScorer`, ONNX Runtime, no torch": ["-c", COLD_START, "onnx"],
        "`import rerank_plugins` alone": ["-c", "import rerank_plugins; print('nan')"],
        "an empty Python process": ["-c", "print('nan')"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    megabytes: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-W", "ignore", *command],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            )
            seconds[name].append(time.perf_counter() - start)
            megabytes[name] = float(done.stdout)
    lines = [
        "## Process start to first score\n",
        "| path | seconds, median | peak memory, MB |",
        "|---|---|---|",
    ]
    for name, values in seconds.items():
        peak = "" if np.isnan(megabytes[name]) else f"{megabytes[name]:.0f}"
        lines.append(f"| {name} | {statistics.median(values):.2f} | {peak} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
