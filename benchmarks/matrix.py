"""How exact, how stable and how fast each architecture and head is, by backend and precision.

python -m benchmarks.matrix [exact] [speed]

Writes two sections of docs/backends.md, or the one that is named. The models are the tests' tiny
ones, whose logits spread by one, so that a difference is a share of what tells texts apart; times
are of wider ones.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder

from benchmarks.__main__ import ROOT
from benchmarks.report import measured_here, with_section
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.backends.choice import PRECISIONS_OF
from rerank_plugins.errors import RerankError
from tests.architectures import DESIGNS, LIMIT, Design, save
from tests.trained_tokenizers import random_words
from tests.wide_weights import PAIRS, reference

PAGE = ROOT / "docs" / "backends.md"
TITLE = "## Each architecture and head"
SPEED_TITLE = "## How fast each architecture and head is"

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

STOCK = "`predict` fp32"
WIDTH, LAYERS, HEADS, INNER = 384, 4, 12, 1536
"""Of the models whose speed is measured: the reference model's."""

PAIRS_AT_ONCE, ROUNDS = 32, 3
REST = 0.2
"""Seconds before each measurement, in which threads of others stop turning for new work."""


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


def speeds(name: str, ways: Iterable[tuple[str, str]] = WAYS) -> dict[str, float]:
    """Pairs per second of one of the tests' designs, wider; ways that cannot run it are left out.

    All ways are loaded at once and take turns.
    """
    found: dict[str, list[float]] = {}
    draw = random.Random(0)
    query = "why is the sky blue"
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = save(wider(DESIGNS[name]), Path(temporary) / "model")
        stack.enter_context(patch.dict("os.environ", XDG_CACHE_HOME=temporary))
        loaded = {STOCK: _stock(folder)}
        for backend, precision in ways:
            scorer = CrossEncoderScorer(folder, backend=backend, precision=precision, device="cpu")
            stack.enter_context(scorer)
            try:
                scorer.warm_up()
            except RerankError as error:
                sys.stderr.write(f"{name}, {backend} {precision}: {error}\n")
            else:
                loaded[f"{backend} {precision}"] = scorer.score
        for number in range(ROUNDS + 1):
            passages = [" ".join(random_words(draw, LIMIT)) for _ in range(PAIRS_AT_ONCE)]
            for way, score in loaded.items():
                time.sleep(REST)
                start = time.perf_counter()
                score(query, passages)
                if number:  # the first is to warm up
                    rate = len(passages) / (time.perf_counter() - start)
                    found.setdefault(way, []).append(rate)
    return {way: statistics.median(rates) for way, rates in found.items()}


def wider(design: Design) -> Design:
    """The design in the reference model's width and depth."""
    if "dim" in design.values:
        return design.but(dim=WIDTH, n_layers=LAYERS, n_heads=HEADS, hidden_dim=INNER)
    return design.but(
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
    )


def _stock(folder: Path) -> Callable[[str, list[str]], object]:
    model = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    return lambda query, passages: model.predict([(query, passage) for passage in passages])


def render_speeds(rows: Mapping[str, Mapping[str, float]]) -> str:
    """The section on speed: one table."""
    ways = [" ".join(way) for way in WAYS]
    ways = [way for way in ways if any(way in row for row in rows.values())]
    lines = [
        f"{SPEED_TITLE}\n",
        f"Command: `python -m benchmarks.matrix speed`. The same designs with {LAYERS} layers of "
        f"width {WIDTH}, as the reference model has, and {PAIRS_AT_ONCE} pairs of {LIMIT} tokens "
        f"at once; all ways in one process, in turns, medians of {ROUNDS} rounds. Pairs per second "
        "of `CrossEncoder.predict`, and how many times as many each way gives. "
        "[Shapes of known models](benchmarks.md#models-that-people-use-as-shapes) are measured "
        "with all their layers.\n",
        f"| | {STOCK} | {' | '.join(ways)} |",
        "|---|---:|" + "---:|" * len(ways),
    ]
    for name, row in rows.items():
        cells = [f"{row[way] / row[STOCK]:.2f}x" if way in row else "" for way in ways]
        lines.append(f"| {name} | {row[STOCK]:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def render(rows: Mapping[str, Mapping[str, Distance]]) -> str:
    """The section on exactness and stability: two tables."""
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
            "Command: `python -m benchmarks.matrix exact`. Tiny models with random weights, drawn "
            "so that the logits of different texts spread by 1; pairs from none to more tokens "
            "than the model reads. An empty cell: that backend does not run it. The largest "
            "difference from `CrossEncoder.predict` in fp32:\n",
            *table("exact"),
            "\nThe largest difference between a pair alone and the same pair beside others:\n",
            *table("stable"),
        ]
    )


def main() -> None:
    """Writes the sections."""
    for part in sys.argv[1:] or ["exact", "speed"]:
        if part == "exact":
            section = render({name: distances(name) for name in MODELS})
        else:
            section = render_speeds({name: speeds(name) for name in MODELS})
        section = measured_here(section, f"{date.today():%Y-%m-%d}")
        text = with_section(PAGE.read_text(encoding="utf-8"), section)
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
