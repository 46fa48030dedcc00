"""Tiny recipes, their data and their runs."""

import gzip
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from embedded_model.recipe.config import TrainingConfig
from embedded_model.recipe.settings import LoopConfig, MiningConfig, ViewConfig
from embedded_model.training import loop
from embedded_model.training.loop import TrainingResult, train
from tests.tiny_models import WORDS

NOUNS = ["fox", "dog", "cat", "bird", "fish", "tree", "river", "moon", "star", "stone"]
COLOURS = ["red", "green", "blue", "old", "new", "fast"]


class BagOfWords:
    """A teacher that counts words: deterministic, and right about which passage is meant."""

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.full((len(texts), len(WORDS)), 1e-3, dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in text.lower().replace("?", " ").replace(".", " ").split():
                if word in WORDS:
                    row[WORDS.index(word)] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    passages = queries


def tiny_rows() -> list[dict[str, str]]:
    return [
        {
            "query": f"Where is the {colour} {noun}?",
            "positive": f"The {colour} {noun} is in the house. It can do a big jump over water. "
            f"What the {noun} does is not slow or small.",
        }
        for colour, noun in itertools.product(COLOURS, NOUNS)
    ]


def write_source(folder: Path, rows: list[dict[str, str]], *, packed: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(row) for row in rows)
    if packed:
        (folder / "pairs.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (folder / "pairs.jsonl").write_text(text)


def tiny_config(base: Path, **loop: object) -> TrainingConfig:
    options: dict[str, object] = {
        "steps": 6,
        "warmup_steps": 2,
        "decay_steps": 2,
        "questions": 3,
        "passages": 4,
        "learning_rate": 1e-3,
        "chunk_tokens": 128,
        "checkpoint_every": 2,
        "evaluate_every": 4,
        "development_questions": 4,
    }
    return TrainingConfig(
        base=str(base),
        layers=(0, 1),
        views=(
            ViewConfig("windows", {"animals": 30}),
            ViewConfig("passages", {"animals": 30}, first_step=2),
            ViewConfig("leads", {"animals": 20}, label_weight=0.5, first_step=2),
        ),
        max_length=48,
        development_share=0.2,
        mining=MiningConfig(depth=20, nearest=3, lexical=2, middle=2, random=1),
        loop=LoopConfig(**{**options, **loop}),  # type: ignore[arg-type]
    )


def weights_of(result: TrainingResult) -> dict[str, torch.Tensor]:
    return CrossEncoder(str(result.model)).state_dict()


def run(
    config: TrainingConfig, data: Path, output: Path, *, resume: bool = True, progress: bool = False
) -> TrainingResult:
    return train(
        config, data=data, output=output, resume=resume, progress=progress, encoder=BagOfWords()
    )


def stop_in_step(
    step: int, config: TrainingConfig, data: Path, output: Path, *, resume: bool = True
) -> None:
    """Runs until it is interrupted in a step, before anything of that step is written."""
    log = loop._Run.log

    def stop(run: loop._Run, **entry: object) -> None:
        if run.progress.step == step:
            raise KeyboardInterrupt
        log(run, **entry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Run, "log", stop)
        with pytest.raises(KeyboardInterrupt):
            run(config, data, output, resume=resume)


def logged_steps(output: Path) -> list[int]:
    entries = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return [entry["step"] for entry in entries if "loss" in entry]
