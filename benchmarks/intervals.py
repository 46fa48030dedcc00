"""How often the interval of the calibration error holds the true error, where that is known.

python -m benchmarks.intervals [--simulations N]

Probabilities p are drawn from Beta(0.5, 8) for the candidates of each query, and which of them are
relevant from a share that is a function of p.
"""

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.ranking import say, say_how
from rerank_plugins.evaluation.calibration.reliability import BINS, reliability

Shares = NDArray[np.float64]
Relevant = Callable[[Shares], Shares]

CANDIDATES = 50
QUERIES = (50, 200)

KINDS: dict[str, Relevant] = {
    "p": lambda p: p,
    "0.95 p": lambda p: 0.95 * p,
    "0.9 p": lambda p: 0.9 * p,
    "0.7 p": lambda p: 0.7 * p,
    "0.5 p": lambda p: 0.5 * p,
    "0.6 p where p is above 0.2, else p": lambda p: np.where(p > 0.2, 0.6 * p, p),
    "p to the power of 1.3": lambda p: p**1.3,
    "p + 0.01": lambda p: np.minimum(p + 0.01, 1),
}
"""The share of relevant candidates among those with probability p."""


def main() -> None:
    """Prints one row per share of relevant candidates."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--simulations", type=int, default=100)
    given = parser.parse_args()
    say(
        "| share of relevant candidates | true error, points | "
        + " | ".join(f"{queries} questions" for queries in QUERIES)
        + " |"
    )
    say("|---|---:|" + "---:|" * len(QUERIES))
    for name, relevant in KINDS.items():
        error = true_error(relevant)
        held = [coverage(relevant, error, queries, given.simulations) for queries in QUERIES]
        say(f"| {name} | {100 * error:.1f} | " + " | ".join(f"{one:.0%}" for one in held) + " |")
    say_how("benchmarks.intervals")


def true_error(relevant: Relevant, *, draws: int = 400_000) -> float:
    """The calibration error without chance, over as many bins as are measured."""
    p = _drawn(np.random.default_rng(0), draws)
    place = np.searchsorted(np.quantile(p, np.linspace(0, 1, BINS + 1)[1:-1]), p, side="right")
    return float(np.abs(np.bincount(place, p - relevant(p))).sum() / draws)


def coverage(relevant: Relevant, error: float, queries: int, simulations: int) -> float:
    """The share of simulations whose interval holds the true error."""
    rng = np.random.default_rng(queries)
    query = np.repeat(np.arange(queries), CANDIDATES)
    held = 0
    for _ in range(simulations):
        p = _drawn(rng, len(query))
        found = reliability(p, rng.random(len(p)) < relevant(p), query)
        held += found.low <= error <= found.high
    return held / simulations


def _drawn(rng: np.random.Generator, count: int) -> Shares:
    return np.clip(rng.beta(0.5, 8, size=count), 1e-4, 1)


if __name__ == "__main__":
    main()
