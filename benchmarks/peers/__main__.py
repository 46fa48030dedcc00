"""Measures the peers and prints the section of the report.

python -m benchmarks.peers --venvs FOLDER [--only NAME ...]
"""

import argparse
import sys
from pathlib import Path

from benchmarks.peers.run import PASSAGES, QUERIES, ROUNDS, peers_report


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument(
        "--venvs", type=Path, required=True, help="where environments are made, and kept"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="peers, by names or parts of them"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--passages", type=int, default=PASSAGES)
    arguments = parser.parse_args()
    try:
        report = peers_report(
            arguments.venvs,
            arguments.only,
            rounds=arguments.rounds,
            queries=arguments.queries,
            passages=arguments.passages,
        )
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write(report + "\n")


if __name__ == "__main__":
    main()
