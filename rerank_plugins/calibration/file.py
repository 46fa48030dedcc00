"""The file of calibrations: what each belongs to, its curve, and what it was fitted on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rerank_plugins.calibration.curves import Curve, curve_of
from rerank_plugins.calibration.reading import calibrate_command, other_reading
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.files import CALIBRATION_FILE
from rerank_plugins.models.json_files import load_json
from rerank_plugins.process.locked import locked
from rerank_plugins.scoring.identity import Identity

FORMAT = "rerank-plugins calibration 1"


@dataclass(frozen=True, slots=True)
class Calibration:
    """A curve, and the scores that it belongs to.

    Attributes:
        name: The model, as it was called.
        identity: What makes its scores what they are; nothing is said of the runtime, because the
            backends agree.
        first_stage_weight: The weight that was added to its logits; 0 for none.
        curve: From a score to a probability.
        fitted_on: What it was fitted on, for readers: collections, queries, depth, errors.
    """

    name: str
    identity: Identity
    first_stage_weight: float
    curve: Curve
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, identity: Identity, weight: float) -> bool:
        """Whether it belongs to the scores of a scorer, with that weight of the first stage."""
        return self.identity.meaning == identity.meaning and self.first_stage_weight == weight


def read_calibrations(file: Path) -> list[Calibration]:
    """The calibrations in a file.

    Raises:
        InvalidInputError: There is no such file, or it holds something else.
    """
    try:
        content = load_json(file)
        if content["format"] != FORMAT:
            message = f"its format is {content['format']!r}, and this version reads {FORMAT!r}"
            raise ValueError(message)
        return [_calibration(each) for each in content["calibrations"]]
    except OSError as error:
        raise _refused(file, error.strerror or str(error)) from error
    except KeyError as error:
        raise _refused(file, f"it has no {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise _refused(file, str(error)) from error


def write_calibration(file: Path, calibration: Calibration) -> None:
    """Writes a calibration into a file, beside those of other scores that the file holds.

    Calls take turns, those of other processes too, and a link's target is written.

    Raises:
        InvalidInputError: The file holds something else, or cannot be written.
    """
    target = file.resolve()
    partial = target.with_name(f"{target.name}.partial")
    try:
        with locked(target.with_name(f"{target.name}.lock")):
            others = [
                each
                for each in (read_calibrations(file) if file.exists() else [])
                if not each.fits(calibration.identity, calibration.first_stage_weight)
            ]
            values = [_values(each) for each in [*others, calibration]]
            content = json.dumps({"format": FORMAT, "calibrations": values}, indent=1)
            partial.write_text(f"{content}\n", encoding="utf-8")
            partial.replace(target)  # a reader finds the old file or the new one, not half of it
    except OSError as error:
        message = f"cannot write {file}: {error.strerror or error}."
        raise InvalidInputError(message) from error


def calibration_of(
    calibrations: Sequence[Calibration],
    where: str,
    name: str,
    identity: Identity,
    weight: float,
) -> Calibration:
    """The calibration of a scorer's scores.

    Args:
        calibrations: Those of a file.
        where: The file, for messages.
        name: The scorer's name.
        identity: What makes its scores what they are.
        weight: The weight of the first stage's opinion; 0 for none.

    Raises:
        InvalidInputError: The file has none for these scores; the message says what differs.
    """
    for each in calibrations:
        if each.fits(identity, weight):
            return each
    message = (
        f"{where} has no calibration of these scores: {_difference(calibrations, identity, weight)}"
        f" Or make one: {calibrate_command(name, identity, weight)}"
    )
    raise InvalidInputError(message)


def _difference(calibrations: Sequence[Calibration], identity: Identity, weight: float) -> str:
    """What tells the calibrations from what is asked for, and the option that changes it."""
    same = [each for each in calibrations if each.identity.model == identity.model]
    if not same:
        names = ", ".join(sorted({repr(each.name) for each in calibrations})) or "nothing"
        return f"it was fitted to {names}, or an older version of it. Use that model."
    alike = [each for each in same if each.identity.precision == identity.precision]
    if not alike:
        found = same[0].identity.precision
        return (
            f"it was fitted to {found}, and the model runs in {identity.precision}. Set "
            f"{option('precision', found)}."
        )
    read = [each for each in alike if each.identity.reading == identity.reading]
    if not read:
        return other_reading([each.identity.reading for each in alike], identity.reading)
    weights = ", ".join(f"{each.first_stage_weight:g}" for each in read)
    near = min((each.first_stage_weight for each in read), key=lambda each: abs(each - weight))
    if not near:
        todo = f"Leave {option('first_stage_weight')} out."
    elif weight:
        todo = f"Set {option('first_stage_weight', near)}."
    else:  # as rankings without one have, and all scores of single pairs
        todo = f"For a ranking set {option('first_stage_weight', near)}; single pairs have none."
    return (
        f"it was fitted with {option('first_stage_weight')} {weights} (0 is none), and these "
        f"scores have {weight:g}. {todo}"
    )


def _calibration(values: Mapping[str, Any]) -> Calibration:
    identity = Identity(
        str(values["model"]), str(values["precision"]), tuple(map(str, values["reading"]))
    )
    return Calibration(
        str(values["name"]),
        identity,
        float(values["first_stage_weight"]),
        curve_of(values["curve"]),
        dict(values["fitted_on"]),
    )


def _values(calibration: Calibration) -> dict[str, Any]:
    return {
        "name": calibration.name,
        "model": calibration.identity.model,
        "precision": calibration.identity.precision,
        "reading": list(calibration.identity.reading),
        "first_stage_weight": calibration.first_stage_weight,
        "curve": calibration.curve.values(),
        "fitted_on": dict(calibration.fitted_on),
    }


def _refused(file: Path, reason: str) -> InvalidInputError:
    message = (
        f"{option('calibration')} cannot be read from {str(file)!r}: {reason}. Give a file that "
        f"`{command('rerank')} calibrate` wrote, or 'auto' for the {CALIBRATION_FILE} in the "
        "model's folder."
    )
    return InvalidInputError(message)
