"""How much of the machine a process may use: runtimes count all of its processors."""

import math
import os
from pathlib import Path


def thread_limit(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Threads that fit what the process may use of the processors; `None` where it may use all.

    More threads than a CPU quota has processors get stopped in the middle of a batch until the
    next period begins, all others waiting for them. More than the process is kept to (taskset,
    a container's cpuset) share these, and wait for each other too.

    Args:
        root: Where Linux shows control groups, version 2 (`cpu.max`) or 1 (`cpu/cpu.cfs_*`).
    """
    quota = _quota(root)
    threads = processors() if quota is None else min(processors(), max(1, math.ceil(quota)))
    return threads if threads < (os.cpu_count() or 1) else None


def _quota(root: Path) -> float | None:
    """Processors' worth of time in a period."""
    try:
        if (root / "cpu.max").is_file():
            allowed, period = (root / "cpu.max").read_text().split()
        else:
            folder = root / "cpu"
            allowed = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        share = float(allowed) / float(period)  # "max" and -1 are no limit
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
