"""Time from process start to the first score, peak memory, and import time."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.watched import with_bytecode
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.models.references import EMBEDDED_FOLDER

ROUNDS = 7

_PEAK = """
import os, re
from pathlib import Path
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(int(peak) / 1024, flush=True)
os._exit(0)
"""
"""It ends at once: what the interpreter takes apart at its end is no part of a start."""
_OURS = """
import sys
from rerank_plugins import CrossEncoderScorer
scorer = CrossEncoderScorer("embedded", backend=sys.argv[1], precision=sys.argv[2])
scorer.score("how do bees talk", ["By dancing."])
"""
_STOCK = """
import sys
from sentence_transformers import CrossEncoder
CrossEncoder(sys.argv[1], device="cpu").predict([("how do bees talk", "By dancing.")])
"""


def start() -> str:
    """Returns the section of the report."""
    with tempfile.TemporaryDirectory() as folder:
        return _measured(with_bytecode(Path(folder)))


def _measured(environment: dict[str, str]) -> str:
    commands = {
        "`CrossEncoder` (torch)": [_STOCK, str(EMBEDDED_FOLDER)],
        "torch fp32": [_OURS, "torch", "fp32"],
        "onnx fp32, no torch": [_OURS, "onnx", "fp32"],
        "openvino fp32, no torch": [_OURS, "openvino", "fp32"],
        "`import rerank_plugins` alone": ["import rerank_plugins\n"],
        "an empty Python process": [""],
    }
    if cpu_has_bf16():
        commands["openvino bf16, no torch"] = [_OURS, "openvino", "bf16"]
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    megabytes: dict[str, float] = {}
    for number in range(ROUNDS + 1):
        for name, (code, *arguments) in commands.items():
            begin = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code + _PEAK, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                check=True,
            )
            if number:  # the first round writes bytecode, and has the system read the files
                seconds[name].append(time.perf_counter() - begin)
            megabytes[name] = float(done.stdout)
    lines = [
        "## Process start to first score\n",
        "| way | seconds, median | slowest | peak memory, MB |",
        "|---|---:|---:|---:|",
    ]
    for name, values in seconds.items():
        lines.append(
            f"| {name} | {statistics.median(values):.2f} | {max(values):.2f} "
            f"| {megabytes[name]:.0f} |"
        )
    return "\n".join(lines)
