"""Describes the machine that figures were measured on."""

import os
import platform
import sys
from pathlib import Path

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def machine() -> str:
    """The processor, its features that matter for speed, and the number of usable processors."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    features = ", ".join(feature for feature in FEATURES if feature in flags)
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return f"{names[0] if names else platform.processor()} ({features}), {usable} processors"
