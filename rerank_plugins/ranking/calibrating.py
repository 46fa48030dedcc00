"""The curve of a reranker's scores, looked up once for each weight of the first stage."""

from pathlib import Path

from rerank_plugins.calibration.curves import Curve
from rerank_plugins.calibration.file import Calibration, calibration_of, read_calibrations
from rerank_plugins.checks.values import expanded
from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import option
from rerank_plugins.scoring.contract import Scorer
from rerank_plugins.scoring.identity import named_identity


class Calibrator:
    """Finds the curve of a scorer's scores in a file.

    Args:
        source: The file, which is read now, or `"auto"` for the scorer's own.

    Raises:
        InvalidInputError: The file is not there, or holds something else.
    """

    def __init__(self, source: str) -> None:
        self._file = None if source == "auto" else expanded(source, "calibration")
        self._listed = None if self._file is None else read_calibrations(self._file)
        self._curves: dict[float, Curve] = {}

    def curve(self, scorer: Scorer, weight: float | None) -> Curve:
        """The curve of the scores that the scorer gives.

        Args:
            scorer: The scorer, the same one at each call; its model is on this disk.
            weight: The weight of the first stage's opinion in them; `None` if it has no part.

        Raises:
            InvalidInputError: The calibrations belong to other scores.
            UnsupportedOptionError: The scorer has no calibration of its own, or cannot say what its
                scores depend on.
        """
        number = weight or 0.0
        if number not in self._curves:
            listed = self._calibrations(scorer)
            identity = named_identity(scorer, "no calibration can be said to belong to it")
            where = repr(str(self._file or scorer.calibration_file))
            found = calibration_of(listed, where, scorer.name, identity, number)
            self._curves[number] = found.curve
        return self._curves[number]

    def _calibrations(self, scorer: Scorer) -> list[Calibration]:
        if self._listed is not None:
            return self._listed
        file = scorer.calibration_file
        if file is None:
            message = (
                f"{scorer.name!r} has no calibration, so {option('calibration', 'auto')} has "
                f"nothing to take. Make one: {command('rerank')} calibrate COLLECTION --model "
                f"{scorer.name} --output FILE, or for a scorer of your own with calibrate() and "
                f"write_calibration() of rerank_plugins.evaluation; then give "
                f"{option('calibration', 'FILE')}."
            )
            raise UnsupportedOptionError(message)
        return read_calibrations(Path(file))
