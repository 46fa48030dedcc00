"""The result of a run, and the output folder that lets a run resume or report again."""

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

FILE_NAME = "fine_tuning.json"

MADE = ("model", "model.partial", "held-out", "checkpoints", FILE_NAME)
"""Names that a run creates in its folder."""

_OF_THE_START = {"model", "revision", "local_files_only"}
"""Settings that say where the starting weights were found; the digest identifies them."""


@dataclass(frozen=True)
class DataSizes:
    """The amount of data: questions per part, training rows, and passages."""

    train: int
    development: int
    held_out: int
    rows: int
    passages: int


@dataclass(frozen=True)
class FineTuningResult:
    """The result of a fine-tuning run.

    Attributes:
        model: The model's folder, which `CrossEncoder` and every wrapper can load.
        collection: The held-out questions in BEIR's layout, for `rerank eval`; `None` if none
            were held out.
        sizes: The amount of data.
        training: Figures about the training.
        held_out: Quality before and after on the held-out questions; `None` if none were held
            out.
    """

    model: Path
    collection: Path | None
    sizes: DataSizes
    training: TrainingFigures
    held_out: HeldOutFigures | None


class RunFolder:
    """The output folder of a run, which resumes only a run with the same settings and data.

    Args:
        path: The folder, which exists.
        options: The settings of the run.
        data: The training data.
        weights: A digest of the starting model, because weights can change under the same name.
        resume: Resume an earlier run; otherwise `begin` removes its files.

    Raises:
        InvalidInputError: The folder holds another run or files that no run made.
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
        if not isinstance(record.get("settings"), dict):  # a run records its settings first
            check_free(path, MADE, "fine-tuning run")
        elif resume:
            self._check(record)

    def begin(self) -> None:
        """Prepares the folder for training; called after all checks have passed."""
        if not self._resume:
            self._remove()
        self._write({})  # drops the result of an earlier run, whose model may be gone

    def finished(self) -> FineTuningResult | None:
        """The result of an earlier, completed run to resume; `None` if there is none."""
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
        """Records the result and removes the checkpoints."""
        figures = {
            name: value for name, value in asdict(result).items() if not isinstance(value, Path)
        }
        self._write({"result": figures})
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _check(self, found: dict[str, Any]) -> None:
        left = self.model.exists() or self.checkpoints.exists() or "result" in found
        if not left:  # the earlier run failed before training
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
                f"{self.path} holds a run with different {', '.join(changed)}. Give another output "
                f"folder, or start again with {option('resume', False)}, which removes that run."
            )
            raise InvalidInputError(message)

    def _remove(self) -> None:
        for name in MADE:
            remove(self.path / name)

    def _write(self, more: dict[str, Any]) -> None:
        write_record(
            self.path / FILE_NAME, {"settings": self._settings, "data": self._data, **more}
        )


def _digest(data: TrainingData) -> str:
    content = json.dumps([[asdict(question) for question in data.questions], data.passages])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
