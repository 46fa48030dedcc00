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

from embedded_model.recipe.checks import check_kinds, require
from embedded_model.recipe.folders import find_base, start_folder
from embedded_model.recipe.settings import (
    MOVABLE,
    LoopConfig,
    MiningConfig,
    ViewConfig,
)
from embedded_model.sources.pairs import source_digest
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.models.files import TEXTS
from rerank_plugins.models.identity import files_digest


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides what a training run does.

    Attributes:
        base: Folder of a BERT bi-encoder in sentence-transformers' layout, or the name of an
            installed package that carries one in its `model` folder.
        layers: Which of the base's layers the student keeps, in order.
        start: Folder of an earlier student of the same shape to go on from, or `"embedded"` for
            the one that ships; by default the base's layers under a new head.
        start_share: Share of the start's weights in the model that is measured and saved, beside
            those that training arrived at.
        cross_teacher: Folder of a cross-encoder of an earlier run, of any number of layers and the
            base's vocabulary, or `"embedded"`, as a second teacher: its logits are the targets of
            `loop.cross_teacher_weight`.
        bi_teachers: Folders of further bi-encoders that teach beside the base, with the weight of
            their cosine; the base's has 1. The teacher's cosine is the weighted mean.
        distil_steps: Above 0, the layers of a siamese student are first trained in so many steps
            to give the hidden states of all of the base's, token for token. Minutes on a GPU,
            days on a CPU. See `embedded_model.models.distillation`.
        siamese_steps: Above 0, one more layer follows that compares what the others read; its
            comparison is fitted to the teacher's cosines in so many steps before training begins.
            See `embedded_model.models.siamese`.
        max_length: Most tokens per pair in training; the saved model reads no more.
        development_share: Share of the passages held out of training, with their questions.
        seed: Decides the split, the views, the negatives, the order and the new weights.
    """

    base: str
    layers: tuple[int, ...]
    views: tuple[ViewConfig, ...]
    start: str | None = None
    start_share: float = 0.0
    cross_teacher: str | None = None
    bi_teachers: Mapping[str, float] = field(default_factory=dict)
    distil_steps: int = 0
    siamese_steps: int = 0
    max_length: int = 384
    development_share: float = 0.03
    seed: int = 13
    mining: MiningConfig = field(default_factory=MiningConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        """Checks what a recipe can get wrong without looking at any data."""
        check_kinds(self)
        require(self.seed >= 0, "seed", self.seed, "0 or more")
        require(bool(self.layers), "layers", self.layers, "at least one layer number of the base")
        require(bool(self.views), "views", self.views, "at least one [[views]] table")
        require(16 <= self.max_length <= 512, "max_length", self.max_length, "16 to 512")
        require(
            0 < self.development_share < 0.5,
            "development_share",
            self.development_share,
            "above 0 and below 0.5, such as 0.03",
        )
        starts = min(view.first_step for view in self.views)
        require(starts == 0, "views.first_step", starts, "0 for at least one view")
        loop = self.loop
        require(0 <= self.start_share < 1, "start_share", self.start_share, "0 or more and below 1")
        if self.start is None:
            require(self.start_share == 0, "start_share", self.start_share, "0 without a start")
        require(self.siamese_steps >= 0, "siamese_steps", self.siamese_steps, "0 or more")
        require(self.distil_steps >= 0, "distil_steps", self.distil_steps, "0 or more")
        if self.distil_steps:
            require(self.siamese_steps > 0, "siamese_steps", 0, "1 or more beside distil_steps")
        weight, joint = loop.cross_teacher_weight, loop.joint_teachers
        if self.cross_teacher is None:
            require(weight == 0, "loop.cross_teacher_weight", weight, "0 without a cross_teacher")
            require(not joint, "loop.joint_teachers", joint, "false without a cross_teacher")
        elif joint:
            require(weight == 0, "loop.cross_teacher_weight", weight, "0 beside joint_teachers")
        for folder, weight in self.bi_teachers.items():
            require(weight > 0, f"bi_teachers.{folder}", weight, "above 0")
        if self.siamese_steps:
            require(self.start is None, "start", self.start, "none beside siamese_steps")
            others = dict(self.bi_teachers)
            require(not others, "bi_teachers", others, "none beside siamese_steps")
            share = loop.trap_share
            require(share == 0, "loop.trap_share", share, "0 beside siamese_steps")
        else:
            weights = (loop.vector_weight, loop.final_vector_weight)
            require(
                weights == (0, 0),
                "loop.vector_weight, loop.final_vector_weight",
                weights,
                "0 without siamese_steps: only a siamese student reads vectors",
            )
        mining = self.mining
        kept = mining.nearest + mining.lexical + mining.middle + mining.random
        require(
            kept >= loop.passages,
            "mining",
            kept,
            f"nearest + lexical + middle + random of {loop.passages} or more",
        )

    def run_digest(self, data: Path, *, own_encoder: bool = False) -> str:
        """Returns a digest of a run on `data`; runs with equal digests can share checkpoints.

        Settings that move the end of the run, measure it or only change its speed are left out.
        Models and sources count by their content, so they may be moved but not replaced.

        Args:
            data: Folder with one folder per source.
            own_encoder: Whether the caller's own encoder teaches instead of the base.

        Raises:
            InvalidInputError: A source or the base is missing.
        """
        values = dataclasses.asdict(self)
        for name in MOVABLE:
            del values["loop"][name]
        if self.start is not None:
            values["start"] = _model_digest(start_folder(self.start))
        if self.cross_teacher is not None:
            values["cross_teacher"] = _model_digest(start_folder(self.cross_teacher))
        values["bi_teachers"] = self._bi_teachers()
        return _digest({**values, **self._read(data, own_encoder)})

    def start_digest(self, data: Path, *, own_encoder: bool = False) -> str:
        """Returns a digest of everything that a siamese start is made from.

        Args and errors are those of `run_digest`.
        """
        values = dataclasses.asdict(self)
        for name in ("loop", "start", "start_share", "cross_teacher", "bi_teachers"):
            del values[name]
        for view in values["views"]:
            del view["label_weight"], view["first_step"]
        return _digest({**values, **self._read(data, own_encoder)})

    def base_digest(self) -> str:
        """Returns a digest of the base, wherever it lies.

        Raises:
            InvalidInputError: There is no such base.
        """
        return _model_digest(find_base(self.base))

    def teacher_digest(self) -> str:
        """Returns a digest of the bi-encoders and their weights.

        Raises:
            InvalidInputError: One is missing.
        """
        base = self.base_digest()
        others = self._bi_teachers()
        return _digest({"base": base, "others": others}) if others else base

    def bi_teacher_digest(self, name: str) -> str:
        """Returns a digest of one of `bi_teachers`, wherever it lies.

        Raises:
            InvalidInputError: There is no such bi-encoder.
        """
        folder = Path(name)
        if not (folder / "config.json").is_file():
            msg = (
                f"bi_teachers names {name!r}, which is no folder of a sentence-transformers model; "
                "give a folder with a config.json."
            )
            raise InvalidInputError(msg)
        return _model_digest(folder)

    def _bi_teachers(self) -> dict[str, float]:
        return {self.bi_teacher_digest(name): w for name, w in self.bi_teachers.items()}

    def _read(self, data: Path, own_encoder: bool) -> dict[str, object]:
        """Digests of all that a recipe reads, apart from other cross-encoders."""
        sources = sorted({source for view in self.views for source in view.sources})
        return {
            "base": self.base_digest(),
            "own_encoder": own_encoder,
            "data": [source_digest(data, source) for source in sources],
        }

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
                "for example recipes/third-version.toml."
            )
            raise InvalidInputError(msg) from None
        except tomllib.TOMLDecodeError as error:
            msg = f"{path} is not valid TOML: {error}."
            raise InvalidInputError(msg) from error
        return cls.from_table(table)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> TrainingConfig:
        """Returns the recipe held in nested plain values, as `tomllib` reads them."""
        values = dict(table)
        if not isinstance(values.get("views", []), list):
            msg = "views is one table; a recipe holds a list of them: write [[views]]."
            raise InvalidInputError(msg)
        values["views"] = tuple(
            _build(ViewConfig, view, "views") for view in values.get("views", [])
        )
        layers = values.get("layers", ())
        values["layers"] = tuple(layers) if isinstance(layers, list) else layers
        for name, kind in (("mining", MiningConfig), ("loop", LoopConfig)):
            values[name] = _build(kind, values.get(name, {}), name)
        return _build(cls, values, "the recipe")


def _model_digest(folder: Path) -> str:
    """A digest of a model's files and of a bi-encoder's further modules.

    Deeper folders are left out, because a run may write there. A missing folder is reported
    later.
    """
    patterns = (*TEXTS, "model*.safetensors", "pytorch_model*.bin", "[0-9]_*/*")
    found = {file for pattern in patterns for file in folder.glob(pattern) if file.is_file()}
    return files_digest(folder, sorted(found))


def _digest(values: Mapping[str, object]) -> str:
    return hashlib.blake2b(json.dumps(values).encode(), digest_size=8).hexdigest()


_Table = TypeVar("_Table")


def _build(kind: type[_Table], values: Mapping[str, Any], where: str) -> _Table:
    require(isinstance(values, Mapping), where, values, "a table of its settings")
    names = {entry.name for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - names)
    if unknown:
        msg = (
            f"{where} has unknown entries {', '.join(unknown)}; "
            f"allowed are {', '.join(sorted(names))}."
        )
        raise InvalidInputError(msg)
    try:
        return kind(**values)
    except TypeError as error:
        msg = f"{where} is incomplete: {error}."
        raise InvalidInputError(msg) from error
