"""The most memory that a process has held; run as a module, that of scoring one query.

Kept apart from what imports more than scoring needs, so that only scoring is measured.
"""

import json
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


def main() -> None:
    """Reads options, query and passages as JSON, scores them, writes the peak as JSON."""
    from rerank_plugins import CrossEncoderScorer

    request = json.load(sys.stdin)
    with CrossEncoderScorer(**request["options"]) as scorer:
        scorer.score(request["query"], request["passages"])
    json.dump(peak_memory(), sys.stdout)


if __name__ == "__main__":
    main()
