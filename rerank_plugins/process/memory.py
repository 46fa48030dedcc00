"""The most memory that a process has held."""

import re
import sys
from pathlib import Path


def peak_memory() -> float | None:
    """Megabytes of peak resident memory, or None where the system does not tell.

    On Linux from /proc: what getrusage says there includes the parent that a process was forked
    from.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(found[1]) / 1024 if found else None
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
