"""How many processors a process may use; the runtimes count all processors of the machine."""

import math
import os
from pathlib import Path


def thread_limit(most: int | None = None, root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """How many threads suit the processors that the process may use; `None` if it may use all.

    If there are more threads than a CPU quota allows for, the system pauses some of them in the
    middle of a batch until the next period begins, and the others wait for them. If there are more
    than the processors that the process is restricted to (taskset, a container's cpuset), they
    share these processors and wait for each other as well.

    Args:
        most: The most that are wanted; `None` is no limit.
        root: Where Linux shows control groups of version 2 (`cpu.max`) or 1 (`cpu/cpu.cfs_*`).
    """
    quota = _quota(root)
    threads = processors() if quota is None else min(processors(), max(1, math.ceil(quota)))
    if most is not None:
        return min(threads, most)
    return threads if threads < (os.cpu_count() or 1) else None


def _quota(root: Path) -> float | None:
    """The quota in processors; `None` if there is none."""
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
