"""The peak memory of a process."""

import re
import sys
from pathlib import Path


def peak_memory() -> float | None:
    """Megabytes of peak resident memory, or `None` if the system does not report it.

    On Linux it is read from /proc, because getrusage includes the parent of a forked process there.
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
