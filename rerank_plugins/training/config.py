"""A training recipe: frozen dataclasses read from one TOML file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rerank_plugins.errors import InvalidInputError

VIEW_KINDS = (
    "passages",
    "windows",
    "joined",
    "leads",
    "keywords",
    "reworded",
    "sentences",
)
PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class ViewConfig:
    """One way of turning sources of question-passage pairs into training questions.

    Attributes:
        kind: One of ``VIEW_KINDS``; see ``rerank_plugins.training.views`` for what each does.
        sources: Source name to the number of questions taken from it.
        label_weight: Weight of the cross-entropy on the labelled passage. Below 1 where the label
            is weak; the teacher's part of the loss is not touched.
        first_step: Step at which the view joins the mix. Short texts first, long ones once the
            student can match at all, saves a good part of the arithmetic.
    """

    kind: str
    sources: Mapping[str, int]
    label_weight: float = 1.0
    first_step: int = 0


@dataclass(frozen=True)
class MiningConfig:
    """Which passages stand beside a question. All sources of a view are searched as one pile.

    Attributes:
        depth: How deep the two first stages (BM25 and cosine) are read.
        nearest: Candidates from the top by cosine.
        lexical: Candidates from the top by BM25.
        middle: Candidates drawn from the rest of both: what a reranker sees most of.
        random: Candidates drawn from anywhere.
        margin: The label is not held against a candidate whose cosine is above the positive's
            minus this: a likely unlabelled positive.
    """

    depth: int = 48
    nearest: int = 12
    lexical: int = 8
    middle: int = 6
    random: int = 4
    margin: float = 0.03


@dataclass(frozen=True)
class LoopConfig:
    """The optimisation.

    Attributes:
        steps: Steps in all. Raising or lowering it between two starts of the same run is allowed:
            it moves the end of the stable phase.
        warmup_steps: Steps of linear warm-up.
        decay_steps: Last steps, in which the rate falls to ``final_rate`` of its peak.
        questions: Questions in a step.
        passages: Passages beside each question, the labelled one included.
        precision: ``fp32``, or ``bf16`` for the arithmetic of a step; the weights that are kept
            and stepped are fp32 in both. Twice as fast on processors with bf16; others
            compute in fp32 whatever this says.
        average_decay: Decay of the moving average of the weights, which is what is measured and
            saved; 0 for the last weights themselves.
        chunk_tokens: Padded tokens of one forward pass; a step runs several, sorted by length.
        teacher_weight: Weight of the divergence from the teacher.
        teacher_scale: Teacher's temperature, as a factor on its scores.
        vector_weight: Weight, in the first step, of the squared distance between what the last
            layer of a siamese student reads and the teacher's vectors.
        final_vector_weight: The same in the last step; it moves evenly from one to the other.
        anchor_weight: Weight of the binary cross-entropy that ties a logit of 0 to even odds.
            The other parts of the loss see only differences between passages.
        keyword_share: Share of questions lower-cased without their question mark.
        checkpoint_every: Steps between two checkpoints.
        evaluate_every: Steps between two looks at the development questions.
        development_questions: How many development questions are looked at.
    """

    steps: int = 1000
    warmup_steps: int = 50
    decay_steps: int = 200
    questions: int = 8
    passages: int = 6
    learning_rate: float = 1.5e-4
    final_rate: float = 0.02
    weight_decay: float = 0.01
    precision: str = "fp32"
    average_decay: float = 0.0
    chunk_tokens: int = 2048
    teacher_weight: float = 1.0
    teacher_scale: float = 15.0
    vector_weight: float = 0.0
    final_vector_weight: float = 0.0
    anchor_weight: float = 0.0
    keyword_share: float = 0.25
    checkpoint_every: int = 100
    evaluate_every: int = 500
    development_questions: int = 96


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides what a training run does.

    Attributes:
        base: Folder of a BERT bi-encoder in sentence-transformers' layout, or the name of an
            installed package that carries one in its ``model`` folder.
        layers: Which of the base's layers the student keeps, in order.
        start: Folder of an earlier student of the same shape to go on from, or ``"embedded"`` for
            the one that ships; by default the base's layers under a new head.
        siamese_steps: Above 0, one more layer follows that compares what the others read; its
            comparison is fitted to the teacher's cosines in so many steps before training begins.
            See ``rerank_plugins.training.siamese``.
        max_length: Tokens of a pair in training.
        development_share: Share of the passages held out of training, with their questions.
        seed: Decides the split, the views, the negatives, the order and the new weights.
    """

    base: str
    layers: tuple[int, ...]
    views: tuple[ViewConfig, ...]
    start: str | None = None
    siamese_steps: int = 0
    max_length: int = 384
    development_share: float = 0.03
    seed: int = 13
    mining: MiningConfig = field(default_factory=MiningConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        """Checks what a recipe can get wrong without looking at any data."""
        _require(bool(self.layers), "layers", self.layers, "at least one layer number of the base")
        _require(bool(self.views), "views", self.views, "at least one [[views]] table")
        _require(16 <= self.max_length <= 512, "max_length", self.max_length, "16 to 512")
        _require(
            0 < self.development_share < 0.5,
            "development_share",
            self.development_share,
            "above 0 and below 0.5, such as 0.03",
        )
        for view in self.views:
            _require(
                view.kind in VIEW_KINDS, "views.kind", view.kind, "one of " + ", ".join(VIEW_KINDS)
            )
            _require(
                bool(view.sources),
                "views.sources",
                dict(view.sources),
                "source = number of questions",
            )
            _require(view.first_step >= 0, "views.first_step", view.first_step, "0 or more")
            for name, count in view.sources.items():
                _require(count >= 1, f"views.sources.{name}", count, "1 or more questions")
        starts = min(view.first_step for view in self.views)
        _require(starts == 0, "views.first_step", starts, "0 for at least one view")
        loop = self.loop
        _require(self.siamese_steps >= 0, "siamese_steps", self.siamese_steps, "0 or more")
        if self.siamese_steps:
            _require(self.start is None, "start", self.start, "none beside siamese_steps")
        else:
            weights = (loop.vector_weight, loop.final_vector_weight)
            _require(
                weights == (0, 0),
                "loop.vector_weight, loop.final_vector_weight",
                weights,
                "0 without siamese_steps: only a siamese student reads vectors",
            )
        _require(loop.passages >= 2, "loop.passages", loop.passages, "2 or more")
        mining = self.mining
        kept = mining.nearest + mining.lexical + mining.middle + mining.random
        _require(
            kept >= loop.passages,
            "mining",
            kept,
            f"nearest + lexical + middle + random of {loop.passages} or more",
        )
        _require(
            loop.precision in PRECISIONS,
            "loop.precision",
            loop.precision,
            "one of " + ", ".join(PRECISIONS),
        )
        _require(
            0 <= loop.average_decay < 1,
            "loop.average_decay",
            loop.average_decay,
            "0 or more and below 1, such as 0.999",
        )
        for name in (
            "steps",
            "questions",
            "checkpoint_every",
            "evaluate_every",
            "development_questions",
        ):
            _require(getattr(loop, name) >= 1, f"loop.{name}", getattr(loop, name), "1 or more")
        _require(
            loop.warmup_steps + loop.decay_steps <= loop.steps,
            "loop.steps",
            loop.steps,
            f"warmup_steps + decay_steps = {loop.warmup_steps + loop.decay_steps} or more",
        )

    def start_digest(self) -> str:
        """Returns what names a siamese start: equal where all but the optimisation is."""
        values = dataclasses.asdict(self)
        del values["loop"]
        text = json.dumps(values, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @classmethod
    def from_toml(cls, path: str | Path) -> TrainingConfig:
        """Returns the recipe written in a TOML file.

        Raises:
            InvalidInputError: The file is missing, is not TOML, or holds an unknown or impossible
                value.
        """
        path = Path(path)
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            msg = (
                f"there is no training recipe at {path}; give the path of a TOML file, "
                "for example a copy of rerank_plugins/training/embedded.toml"
            )
            raise InvalidInputError(msg) from None
        except tomllib.TOMLDecodeError as error:
            msg = f"{path} is not valid TOML: {error}"
            raise InvalidInputError(msg) from error
        return cls.from_table(table)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> TrainingConfig:
        """Returns the recipe held in nested plain values, as ``tomllib`` reads them."""
        values = dict(table)
        if not isinstance(values.get("views", []), list):
            msg = "views is one table; a recipe holds a list of them: write [[views]]"
            raise InvalidInputError(msg)
        values["views"] = tuple(
            _build(ViewConfig, view, "views") for view in values.get("views", [])
        )
        values["layers"] = tuple(values.get("layers", ()))
        for name, kind in (("mining", MiningConfig), ("loop", LoopConfig)):
            values[name] = _build(kind, values.get(name, {}), name)
        return _build(cls, values, "the recipe")


_Table = TypeVar("_Table")


def _build(kind: type[_Table], values: Mapping[str, Any], where: str) -> _Table:
    names = {entry.name for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - names)
    if unknown:
        msg = (
            f"{where} has unknown entries {', '.join(unknown)}; "
            f"allowed are {', '.join(sorted(names))}"
        )
        raise InvalidInputError(msg)
    try:
        return kind(**values)
    except TypeError as error:
        msg = f"{where} is incomplete: {error}"
        raise InvalidInputError(msg) from error


def _require(condition: bool, name: str, given: object, allowed: str) -> None:
    if not condition:
        msg = f"{name} is {given!r}; allowed is {allowed}"
        raise InvalidInputError(msg)
