"""From a recipe and a data folder to mined questions, cached on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from rerank_plugins.training.config import TrainingConfig, ViewConfig
from rerank_plugins.training.mining import Encoder, MinedQuestion, mine, read_mined, write_mined
from rerank_plugins.training.pairs import read_pairs, split_pairs
from rerank_plugins.training.views import build_view


@dataclass(frozen=True)
class Question:
    """A mined question with the weight of its label and the step at which it joins."""

    mined: MinedQuestion
    label_weight: float
    first_step: int


@dataclass(frozen=True)
class Questions:
    """What is trained on and what is held out; no passage is on both sides."""

    train: list[Question]
    development: list[Question]


def load_questions(
    config: TrainingConfig,
    data: Path,
    cache: Path,
    encoder: Encoder,
    report: Callable[[str, int, int], None],
) -> Questions:
    """Returns all questions of a recipe, mining what ``cache`` does not hold yet.

    Args:
        config: The recipe.
        data: Folder with one folder a source.
        cache: Folder for mined questions. A changed recipe mines again what the change touches.
        encoder: The teacher: texts to unit vectors.
        report: Called as ``report(name, done, total)`` before each mining and at the end.
    """
    jobs = [
        (view, source, side)
        for view in config.views
        for source in view.sources
        for side in ("train", "dev")
    ]
    found: dict[str, list[Question]] = {"train": [], "dev": []}
    for done, (view, source, side) in enumerate(jobs):
        report(f"{source} {view.kind} {side}", done, len(jobs))
        mined = _load_one(config, view, source, side, data, cache, encoder)
        found[side].extend(
            Question(question, view.label_weight, view.first_step) for question in mined
        )
    report("mined", len(jobs), len(jobs))
    return Questions(found["train"], found["dev"])


def _load_one(
    config: TrainingConfig,
    view: ViewConfig,
    source: str,
    side: str,
    data: Path,
    cache: Path,
    encoder: Encoder,
) -> list[MinedQuestion]:
    key = {
        "view": view.kind,
        "source": source,
        "side": side,
        "questions": view.sources[source],
        "share": config.development_share,
        "seed": config.seed,
        "base": config.base,
        "mining": asdict(config.mining),
    }
    digest = hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=8)
    path = cache / f"{source}-{view.kind}-{side}-{digest.hexdigest()}.jsonl"
    if path.is_file():
        return read_mined(path)
    pairs, held_out = split_pairs(read_pairs(data, source), config.development_share, config.seed)
    # Not the whole key: the same base in another folder must draw the same questions.
    drawn = f"{config.seed} {view.kind} {source} {side}"
    rng = np.random.default_rng(list(drawn.encode()))
    questions, mining = view.sources[source], config.mining
    if side == "dev":
        # The margin trusts the teacher; held-out questions must be able to prove it wrong.
        pairs, mining = held_out, replace(mining, margin=-2.0)
        questions = max(1, round(questions * config.development_share))
    collection = build_view(view.kind, pairs, questions, rng)
    mined = mine(collection, encoder, mining, rng) if collection.queries else []
    write_mined(path, mined)
    return mined
