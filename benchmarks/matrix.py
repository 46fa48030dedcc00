"""How exact and how stable each architecture and head is, in each backend and precision.

python -m benchmarks.matrix

Writes a section of docs/backends.md. The models are the tests' tiny ones, whose logits spread by
one, so that a difference is a share of what tells texts apart.
"""

import random
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.__main__ import ROOT
from benchmarks.report import with_section
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.backends.choice import PRECISIONS_OF
from rerank_plugins.errors import RerankError
from tests.architectures import DESIGNS, save
from tests.wide_weights import PAIRS, reference

PAGE = ROOT / "docs" / "backends.md"
TITLE = "## Each architecture and head"

MODELS = (
    "bert",
    "roberta",
    "xlm-roberta",
    "camembert",
    "distilbert",
    "electra",
    "mpnet",
    "modernbert",
    "modernbert, mean",
    "deberta-v3",
    "deberta-v2",
    "ettin",
    "ettin, mean",
    "ettin, max",
    "ettin, lasttoken",
    "modular bert",
    "modular mpnet, mean",
    "modular xlm-roberta, cls",
    "modular deberta-v3, mean",
)
"""Of the tests' designs, one for each architecture and kind of head."""

WAYS = tuple(
    (backend, precision)
    for backend, precisions in PRECISIONS_OF.items()
    for precision in precisions
)
BATCHES = 5
"""Random orders of the pairs, of which each has other batches."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far logits are from others, at most.

    Attributes:
        exact: From those of `CrossEncoder.predict` in fp32, a pair alone.
        stable: From those of the same pair alone, when other pairs are in its batch.
    """

    exact: float
    stable: float


def distances(name: str, ways: Iterable[tuple[str, str]] = WAYS) -> dict[str, Distance]:
    """What each way gives for one of the tests' designs; ways that cannot run it are left out."""
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = save(DESIGNS[name], Path(temporary) / "model")
        wanted = reference(folder)[:, 0]
        # What is compiled on the way stays out of the user's cache.
        with patch.dict("os.environ", XDG_CACHE_HOME=temporary):
            for backend, precision in ways:
                try:
                    found[f"{backend} {precision}"] = _distance(
                        CrossEncoderScorer(
                            folder, backend=backend, precision=precision, device="cpu"
                        ),
                        wanted,
                    )
                except RerankError as error:
                    sys.stderr.write(f"{name}, {backend} {precision}: {error}\n")
    return found


def _distance(scorer: CrossEncoderScorer, wanted: NDArray[np.float64]) -> Distance:
    draw = random.Random(0)
    with scorer:
        alone = np.array([scorer.submit([pair]).result().logits[0] for pair in PAIRS])
        apart = 0.0
        for _ in range(BATCHES):
            order = draw.sample(range(len(PAIRS)), len(PAIRS) - 1)
            logits = scorer.submit([PAIRS[place] for place in order]).result().logits
            apart = max(apart, float(np.abs(logits - alone[order]).max()))
    return Distance(float(np.abs(alone - wanted).max()), apart)


def render(rows: Mapping[str, Mapping[str, Distance]]) -> str:
    """The section: two tables."""
    ways = [" ".join(way) for way in WAYS]
    ways = [way for way in ways if any(way in row for row in rows.values())]
    head = [f"| | {' | '.join(ways)} |", "|---|" + "---:|" * len(ways)]

    def table(kind: str) -> list[str]:
        lines = []
        for name, row in rows.items():
            cells = [f"{getattr(row[way], kind):.0e}" if way in row else "" for way in ways]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return [*head, *lines]

    return "\n".join(
        [
            f"{TITLE}\n",
            "Command: `python -m benchmarks.matrix`. Tiny models with random weights, drawn so "
            "that the logits of different texts spread by 1; pairs from none to more tokens than "
            "the model reads. An empty cell: that backend does not run it. The largest difference "
            "from `CrossEncoder.predict` in fp32:\n",
            *table("exact"),
            "\nThe largest difference between a pair alone and the same pair beside others:\n",
            *table("stable"),
        ]
    )


def main() -> None:
    """Writes the section."""
    section = render({name: distances(name) for name in MODELS})
    text = with_section(PAGE.read_text(encoding="utf-8"), section)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
