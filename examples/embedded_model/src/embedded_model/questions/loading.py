"""From a recipe and a data folder to mined questions, cached on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from embedded_model.questions.candidates import MinedQuestion
from embedded_model.questions.mining import (
    Encoder,
    MinedView,
    is_mined,
    mine,
    read_mined,
    write_mined,
)
from embedded_model.questions.views import Collection, build_view, merge
from embedded_model.recipe.config import TrainingConfig
from embedded_model.recipe.settings import UNLABELLED_KINDS, ViewConfig
from embedded_model.sources.pairs import read_pairs, source_digest, split_pairs
from rerank_plugins.errors import InvalidInputError


@dataclass(frozen=True)
class Question:
    """A mined question with the weight of its label and the step at which it joins.

    Attributes:
        texts: The passages that `mined` numbers.
        label_weight: 0 where there is no label.
        vector: The teacher's vector of the question.
        vectors: The teacher's vectors of `texts`.
    """

    mined: MinedQuestion
    texts: Sequence[str]
    label_weight: float
    first_step: int
    vector: NDArray[np.float16]
    vectors: NDArray[np.float16]


@dataclass(frozen=True)
class Questions:
    """The questions to train on and those held out; no passage is on both sides."""

    train: list[Question]
    development: list[Question]


def every_text(questions: Sequence[Question]) -> Iterator[str]:
    """Yields the questions and the passages of their views, each list of passages once."""
    seen = set()
    for question in questions:
        yield question.mined.query
        if id(question.texts) not in seen:
            seen.add(id(question.texts))
            yield from question.texts


def load_questions(
    config: TrainingConfig,
    data: Path,
    cache: Path,
    encoder: Encoder,
    report: Callable[[str, int, int], None],
    device: torch.device | None = None,
    *,
    own_encoder: bool = False,
) -> Questions:
    """Returns all questions of a recipe, mining what `cache` does not hold yet.

    Args:
        config: The recipe.
        data: Folder with one folder per source.
        cache: Folder for mined questions. Changed recipes, data or bases mine again what they
            touch.
        encoder: The teacher.
        device: Where the nearest passages are looked for.
        report: Called as `report(name, done, total)` before each mining and at the end.
        own_encoder: Whether `encoder` is another than the base. Two others are taken for one:
            nothing names them.
    """
    teacher = None if own_encoder else config.teacher_digest()
    jobs = [
        (view, side)
        for view in config.views
        for side in ("train", "dev")
        if side == "train" or view.kind not in UNLABELLED_KINDS  # without a label, nothing to find
    ]
    found: dict[str, list[Question]] = {"train": [], "dev": []}
    for done, (view, side) in enumerate(jobs):
        report(f"{view.kind} {side}", done, len(jobs))
        mined = _load_one(config, view, side, data, cache, encoder, teacher, device)
        weight = view.label_weight if mined.labelled else 0.0
        found[side].extend(
            Question(
                question,
                mined.passages,
                weight,
                view.first_step,
                vector,
                mined.passage_vectors,
            )
            for question, vector in zip(mined.questions, mined.question_vectors, strict=True)
        )
    report("mined", len(jobs), len(jobs))
    return Questions(found["train"], found["dev"])


def mine_questions(
    config: TrainingConfig,
    data: Path,
    output: Path,
    encoder: Encoder,
    show: bool,
    device: torch.device | None = None,
    *,
    own_encoder: bool = False,
) -> Questions:
    """Returns all questions of a recipe, under a progress bar if `show`.

    Raises:
        InvalidInputError: Nothing can be learned from the data, or a source is broken.
    """
    with tqdm(unit="set", desc="mining", disable=not show) as bar:
        report = _reporter(bar)
        questions = load_questions(
            config, data, output / "mined", encoder, report, device, own_encoder=own_encoder
        )
    if not questions.train:
        msg = (
            f"nothing to train on in {data}: no question has a second passage; "
            "give sources with more than one passage each."
        )
        raise InvalidInputError(msg)
    return questions


def _reporter(bar: tqdm[object]) -> Callable[[str, int, int], None]:
    def report(name: str, done: int, total: int) -> None:
        bar.total = total
        bar.n = done
        bar.set_description(f"mining {name}")

    return report


def _load_one(
    config: TrainingConfig,
    view: ViewConfig,
    side: str,
    data: Path,
    cache: Path,
    encoder: Encoder,
    teacher: str | None,
    device: torch.device | None,
) -> MinedView:
    key = {
        "view": view.kind,
        "sources": dict(view.sources),
        "side": side,
        "share": config.development_share,
        "seed": config.seed,
        "teacher": teacher,
        "mining": asdict(config.mining),
        "data": [source_digest(data, source) for source in view.sources],
    }
    digest = hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=8)
    path = cache / f"{view.kind}-{side}-{digest.hexdigest()}.jsonl"
    if is_mined(path):
        return read_mined(path)
    collection, rng = _draw(config, view, side, data)
    if collection.queries:
        mined = mine(collection, encoder, config.mining, rng, device)
    else:
        nothing = np.zeros((0, 0), dtype=np.float16)
        mined = MinedView([], [], collection.labelled, nothing, nothing)
    write_mined(path, mined)
    return mined


def drawn_queries(config: TrainingConfig, data: Path) -> set[str]:
    """Returns all queries that a recipe's views draw to train on; nothing is mined for it.

    Args:
        config: The recipe.
        data: Folder with one folder per source.

    Raises:
        InvalidInputError: A source is missing or broken.
    """
    return {
        query for view in config.views for query in _draw(config, view, "train", data)[0].queries
    }


def _draw(
    config: TrainingConfig, view: ViewConfig, side: str, data: Path
) -> tuple[Collection, np.random.Generator]:
    """Returns one side of a view, and the random numbers that go on from there."""
    # Not the whole key of the cache: the same base in another folder must draw the same questions.
    rng = np.random.default_rng(list(f"{config.seed} {view.kind} {side}".encode()))
    collections = []
    for source, questions in view.sources.items():
        pairs, held_out = split_pairs(
            read_pairs(data, source), config.development_share, config.seed
        )
        if side == "dev":
            pairs, questions = held_out, max(1, round(questions * config.development_share))
        collections.append(build_view(view.kind, pairs, questions, rng))
    return merge(collections), rng
