"""What a run made, and the file that remembers it: what goes on, and what is done already."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.fine_tuning.data import TrainingData
from rerank_plugins.fine_tuning.measuring import HeldOutFigures
from rerank_plugins.fine_tuning.options import FineTuningOptions
from rerank_plugins.fine_tuning.run_folder import check_free, remove, write_record
from rerank_plugins.fine_tuning.trainer import TrainingFigures
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.json_files import read_json
from rerank_plugins.process.folders import make_folder

FILE_NAME = "fine_tuning.json"

_MADE = ("model", "model.partial", "held-out", "checkpoints", FILE_NAME)
"""What a run makes in its folder."""

_OF_THE_START = {"model", "revision", "local_files_only"}
"""Settings that say where the start's weights were found; the digest says which they are."""


@dataclass(frozen=True)
class DataSizes:
    """How much there was: questions of each part, rows trained on, passages searched."""

    train: int
    development: int
    held_out: int
    rows: int
    passages: int


@dataclass(frozen=True)
class FineTuningResult:
    """What a run made.

    Attributes:
        model: The folder that `CrossEncoder` and every wrapper load.
        collection: The held-out questions in BEIR's layout, for `rerank eval`; `None` where
            none were held out.
        sizes: How much data there was.
        training: What the training did.
        held_out: How good the model was before and is after; `None` where none were held out.
    """

    model: Path
    collection: Path | None
    sizes: DataSizes
    training: TrainingFigures
    held_out: HeldOutFigures | None


class RunFolder:
    """The output folder of a run: it goes on with what fits it and refuses what does not.

    Args:
        path: The folder.
        options: The settings of the run.
        data: What is trained on.
        weights: A digest of the model that it starts from; names alone stay when weights change.
        resume: Go on with what is there; else `begin` removes what an earlier run made.

    Raises:
        InvalidInputError: Another run lies in the folder, or something that no run made, or the
            folder cannot be made.
    """

    def __init__(
        self,
        path: Path,
        options: FineTuningOptions,
        data: TrainingData,
        weights: str,
        *,
        resume: bool,
    ) -> None:
        self.path = path
        self.model = path / "model"
        self.collection = path / "held-out"
        self.checkpoints = path / "checkpoints"
        self._settings = {**asdict(options), "weights": weights}
        self._data = _digest(data)
        self._resume = resume
        record = read_json(path / FILE_NAME)
        if not isinstance(record.get("settings"), dict):  # no run's: it records them first
            check_free(path, _MADE, "fine-tuning run")
        elif resume:
            self._check(record)
        make_folder(path)

    def begin(self) -> None:
        """Makes room for the run: called once all that can be wrong with it has been looked at."""
        if not self._resume:
            self._remove()
        self._write({})  # without a result: that of a model that is gone is none of this run

    def finished(self) -> FineTuningResult | None:
        """What the run made, if it came to its end before."""
        values = read_json(self.path / FILE_NAME).get("result")
        if values is None or not self._resume or not self.model.is_dir():
            return None
        held_out = values["held_out"]
        return FineTuningResult(
            model=self.model,
            collection=None if held_out is None else self.collection,
            sizes=DataSizes(**values["sizes"]),
            training=TrainingFigures(**values["training"]),
            held_out=None if held_out is None else HeldOutFigures.from_json(held_out),
        )

    def finish(self, result: FineTuningResult) -> None:
        """Remembers what the run made and removes what only a run that goes on needs."""
        figures = {
            name: value for name, value in asdict(result).items() if not isinstance(value, Path)
        }
        self._write({"result": figures})
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _check(self, found: dict[str, Any]) -> None:
        left = self.model.exists() or self.checkpoints.exists() or "result" in found
        if not left:  # of a run that failed before it trained
            return
        settings = found["settings"]
        changed = [
            name
            for name, value in self._settings.items()
            if name not in _OF_THE_START and settings.get(name) != value
        ]
        if found.get("data") != self._data:
            changed.append("data")
        if changed:
            message = (
                f"{self.path} holds a run with another {', '.join(changed)}. Give another output "
                f"folder, or start anew with {option('resume', False)}, which removes it."
            )
            raise InvalidInputError(message)

    def _remove(self) -> None:
        for name in _MADE:
            remove(self.path / name)

    def _write(self, more: dict[str, Any]) -> None:
        write_record(
            self.path / FILE_NAME, {"settings": self._settings, "data": self._data, **more}
        )


def _digest(data: TrainingData) -> str:
    content = json.dumps([[asdict(question) for question in data.questions], data.passages])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
