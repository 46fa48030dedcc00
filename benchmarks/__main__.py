"""Measures this machine and writes docs/benchmarks.md, or another report.

python -m benchmarks [single] [load] [budget] [cache] [start] [starts] [roofline] [shapes]
                     [operations] [forms] [lengths]
python -m benchmarks NAME... --report FILE
python -m benchmarks server | peers
python -m benchmarks gpu --report docs/benchmarks-gpu.md
"""

import argparse
import sys
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path

from benchmarks.report import HEADING, measured_here, with_section

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "benchmarks.md"
OWN = (
    "single",
    "load",
    "budget",
    "cache",
    "start",
    "starts",
    "roofline",
    "shapes",
    "operations",
    "forms",
    "lengths",
)
SECTIONS = (*OWN, "server", "peers", "gpu")


def main() -> None:
    """Measures the named sections, or the default ones, and keeps the report's other sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", help=f"{', '.join(SECTIONS)}; {', '.join(OWN)} if none is named"
    )
    parser.add_argument(
        "--report", type=Path, default=REPORT, help="file to write; each holds one machine"
    )
    parser.add_argument(
        "--device", default="cuda", help="for gpu; 'cpu' runs it on few texts, to try it out"
    )
    arguments = parser.parse_args()
    names, path = arguments.sections or list(OWN), arguments.report
    if unknown := [name for name in names if name not in SECTIONS]:
        parser.error(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    report = path.read_text(encoding="utf-8") if path.exists() else HEADING
    for name in names:
        section = measured_here(_measure(name, arguments.device), f"{date.today():%Y-%m-%d}")
        sys.stdout.write(section + "\n\n")
        sys.stdout.flush()
        report = with_section(report, section)
        path.write_text(report, encoding="utf-8")


def _measure(name: str, device: str) -> str:
    """Measures one section; imports it late, because each section needs other packages."""
    if name == "peers":
        from benchmarks.peers.run import peers_report

        return peers_report(ROOT / ".peers")
    if name == "gpu":
        from benchmarks.gpu import NoGpuError, gpu

        try:
            return gpu(device)
        except NoGpuError as error:
            sys.exit(f"error: {error}")
    section: Callable[[], str] = getattr(import_module(f"benchmarks.{name}"), name)
    return section()


if __name__ == "__main__":
    main()
