"""The report: a heading that names machine and versions, and one section for each benchmark."""

import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("sentence-transformers", "transformers", "torch", "onnxruntime", "openvino", "numpy")
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def heading() -> str:
    """What all sections share."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        "# Benchmarks\n\nCommand: `make bench`; one section: `python -m benchmarks NAME`. The "
        "embedded model's weights in every way. Ways that are compared are measured one after the "
        f"other in every round.\n\nMachine: {_processor()}, {torch.get_num_threads()} threads. "
        f"Python {platform.python_version()}, {versions}."
    )


def with_section(report: str, section: str) -> str:
    """The report with a section in place of the one of the same heading, or at its end."""
    title = section.partition("\n")[0]
    parts = re.split(r"^(?=## )", report, flags=re.MULTILINE)
    parts = [section + "\n\n" if part.startswith(f"{title}\n") else part for part in parts]
    if section + "\n\n" not in parts:
        parts[-1] = parts[-1].rstrip("\n") + "\n\n"
        parts.append(section)
    return "".join(parts).rstrip("\n") + "\n"


def with_heading(report: str) -> str:
    """The report under the heading of this machine."""
    sections = re.split(r"^(?=## )", report, maxsplit=1, flags=re.MULTILINE)[1:]
    return "\n\n".join([heading(), *sections])


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    features = [feature for feature in FEATURES if feature in flags]
    return f"{names[0] if names else platform.processor()} ({', '.join(features)})"
