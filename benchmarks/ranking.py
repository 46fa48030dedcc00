"""How well several ways rank the same candidates: one row per collection, means and changes."""

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date

import numpy as np

from benchmarks.report import where_and_with_what
from rerank_plugins.evaluation import change

MEASURE = "nDCG@10"

Values = Mapping[str, Mapping[str, float]]
"""Way to query id to `MEASURE`; the same ways, in the same order, for every collection."""


def show_rankings(
    collections: Iterable[tuple[str, Values]], note: Callable[[str], str] = lambda way: ""
) -> None:
    """Prints a table as collections are measured, then how each way differs from the first.

    Args:
        collections: Names of collections with their values, at least one.
        note: Returns an addition to a way's line, once all collections are measured.
    """
    values: dict[str, list[float]] = {}
    means: list[list[float]] = []
    for name, found in collections:
        if not means:
            say(f"| {MEASURE} x 100 | queries | {' | '.join(found)} |")
            say("|---|---:|" + "---:|" * len(found))
        means.append([float(np.mean(list(each.values()))) for each in found.values()])
        for way, each in found.items():
            values.setdefault(way, []).extend(each.values())
        queries = len(next(iter(found.values())))
        say(f"| {name} | {queries} | {_cells(means[-1], digits=1)} |")
    say(f"| mean | | {_cells(np.mean(means, axis=0).tolist(), digits=2)} |")
    before = dict(enumerate(next(iter(values.values()))))
    for way, each in values.items():
        moved = change(before, dict(enumerate(each)))
        say(
            f"{way}: {100 * np.mean(each):.2f} over all queries, {moved.better} better, "
            f"{moved.worse} worse, p {moved.p_value:.3f}{note(way)}"
        )


def _cells(means: list[float], *, digits: int) -> str:
    return " | ".join(f"{100 * mean:.{digits}f}" for mean in means)


def say_how(module: str) -> None:
    """Prints the command, the machine and the versions."""
    say(f"python -m {module} {' '.join(sys.argv[1:])}")
    say(where_and_with_what(f"{date.today():%Y-%m-%d}"))


def say(line: str) -> None:
    """Prints a line immediately, because a run takes long."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
