"""The section of docs/benchmarks.md about peers."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.machine import machine
from benchmarks.peers.measure import Row

TITLE = "## Peers"


def render(
    rows: Sequence[Row], missing: Mapping[str, str], *, passages: int, queries: int, rounds: int
) -> str:
    """The section: a table of those measured, the baseline first, and why others are missing."""
    lines = [
        f"{TITLE}\n",
        f"Command: `make bench-peers`, {machine()}. The embedded model's weights, {queries} "
        f"queries with {passages} passages each, {rounds} rounds in which all peers score every "
        "query in turn. Each peer runs in its own virtual environment and process, with its "
        "default batch size and threads. Documents are made before the clock starts. Logits are "
        "compared with those of the first row, after undoing the sigmoid of peers that apply one. "
        "The figures in brackets are the first and the third quartile.\n",
        "| peer | its defaults | pairs/s | p95, ms | ratio | largest difference of a logit | tau |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    baseline = float(np.median(rows[0].seconds))
    for row in rows:
        slow, median, quick = np.quantile(row.seconds, [0.75, 0.5, 0.25])
        p95 = float(np.quantile(row.seconds, 0.95))
        lines.append(
            f"| {row.peer.name} | {row.peer.way} "
            f"| {passages / median:.0f} ({passages / slow:.0f}-{passages / quick:.0f}) "
            f"| {p95 * 1000:.0f} | {baseline / median:.2f} | {row.error:.1e} | {row.tau:.3f} |"
        )
    busiest = max(rows, key=lambda row: row.idle)
    lines.append(
        f"\nA peer that waited while others were measured used at most {busiest.idle:.1%} of one "
        f"processor ({busiest.peer.name})."
    )
    if missing:
        lines.append("\nNot measured:\n")
        lines += [f"- {name}: {_sentence(reason)}" for name, reason in missing.items()]
    lines.append("\nVersions:\n")
    named: dict[str, list[str]] = {}
    for row in rows:
        text = ", ".join(f"{name} {number}" for name, number in row.versions.items())
        named.setdefault(text, []).append(row.peer.name)
    lines += [f"- {', '.join(names)}: {text}" for text, names in named.items()]
    return "\n".join(lines)


def _sentence(reason: str) -> str:
    return f"{' '.join(reason.split()).removesuffix('.')}."
