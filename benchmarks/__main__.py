"""Measures this machine and writes docs/benchmarks.md, or another report.

python -m benchmarks [single] [load] [start] [roofline] [--report FILE]
"""

import argparse
import sys
from datetime import date
from pathlib import Path

from benchmarks.load import load
from benchmarks.peers.run import peers_report
from benchmarks.report import HEADING, measured_here, with_section
from benchmarks.roofline import roofline
from benchmarks.single import single
from benchmarks.start import start

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "benchmarks.md"
OWN = {"single": single, "load": load, "start": start, "roofline": roofline}
SECTIONS = OWN | {"peers": lambda: peers_report(ROOT / ".peers")}


def main() -> None:
    """Measures the sections that are named, or all, and keeps the others of the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", help=f"{', '.join(SECTIONS)}; all but peers if none is named"
    )
    parser.add_argument(
        "--report", type=Path, default=REPORT, help="file to write; each holds one machine"
    )
    arguments = parser.parse_args()
    names, path = arguments.sections or list(OWN), arguments.report
    if unknown := [name for name in names if name not in SECTIONS]:
        parser.error(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    report = path.read_text(encoding="utf-8") if path.exists() else HEADING
    for name in names:
        section = measured_here(SECTIONS[name](), f"{date.today():%Y-%m-%d}")
        sys.stdout.write(section + "\n\n")
        sys.stdout.flush()
        report = with_section(report, section)
        path.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
