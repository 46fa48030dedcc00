"""The options of a ranking, checked, and as one call changes them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from rerank_plugins.checks.cascade import has_weights
from rerank_plugins.checks.values import check_threshold
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import option
from rerank_plugins.options import CALL_OPTIONS
from rerank_plugins.ranking.calibrating import Calibrator
from rerank_plugins.ranking.compression import Compression
from rerank_plugins.results import ScoreScale

Weight: TypeAlias = float | Literal["auto"] | None
"""Logits per bonus of one; `"auto"` is what the model names, `None` leaves the bonus out."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked options of a ranking.

    Attributes:
        top_k: How many passages are kept at most.
        score_threshold: The lowest score of a passage to keep, on `threshold_scale`.
        threshold_scale: The scale that was set together with the threshold.
        scale: The scale of the results.
        first_stage_weight: The weight of the first stage's bonus.
        higher_is_better: Whether a higher score of the first stage is better.
        time_budget: Seconds to score in.
        keep: How many passages the last stage of a cascade can get; `None` without a cascade.
        weighted_stages: Whether a stage before the last has a weight of its own.
        calibrator: What finds the curve of the calibrated scale; `None` without a calibration.
        spans: Whether results say which of their parts answer.
        max_spans: How many parts they name at most.
        compression: What is kept of the text of a result; `None` is all.
        timeout: Seconds for all stages of a call that has no limit of its own; `None` leaves it to
            each scorer.
    """

    top_k: int | None
    score_threshold: float | None
    threshold_scale: ScoreScale
    scale: ScoreScale
    first_stage_weight: Weight
    higher_is_better: bool
    time_budget: float | None
    spans: bool
    max_spans: int
    compression: Compression | None
    keep: int | None = None
    weighted_stages: bool = False
    calibrator: Calibrator | None = None
    timeout: float | None = None

    @property
    def is_calibrated(self) -> bool:
        """Whether the scores, or the threshold, are on the calibrated scale."""
        by_threshold = self.score_threshold is not None and self.threshold_scale == "calibrated"
        return self.scale == "calibrated" or by_threshold

    @classmethod
    def of(cls, checked: Mapping[str, Any]) -> "Settings":
        """The settings of options that are allowed one by one.

        Raises:
            InvalidInputError: Two of them exclude each other.
        """
        scale, cascade = checked["scale"], checked["cascade"]
        return cls(
            top_k=checked["top_k"],
            score_threshold=check_threshold(checked["score_threshold"], scale),
            threshold_scale=scale,
            scale=scale,
            first_stage_weight=checked["first_stage_weight"],
            higher_is_better=checked["higher_is_better"],
            time_budget=checked["time_budget"],
            spans=checked["spans"],
            max_spans=_max_spans(checked),
            compression=Compression.of(checked),
            keep=cascade[-1]["keep"] if cascade else None,
            weighted_stages=has_weights(cascade),
            calibrator=_calibrator(checked["calibration"], scale),
        )._reachable()

    def changed(self, given: Mapping[str, Any]) -> "Settings":
        """These settings with the options of a call in their place.

        A threshold stays on the scale that was set together with it. A call that asks for logits
        therefore keeps the same passages under a threshold of the constructor.

        Raises:
            InvalidInputError: An option is not allowed.
            TypeError: A call takes no option of that name.
        """
        if not given:
            return self
        for name in given:
            if name not in CALL_OPTIONS:
                message = (
                    f"a ranking got an unexpected keyword argument {name!r}; a call takes "
                    f"{', '.join(CALL_OPTIONS)}, and Reranker(...) takes the others"
                )
                raise TypeError(message)
        values = {
            name: CALL_OPTIONS[name].check(value, name)
            for name, value in given.items()
            if not (name == "scale" and value is None)  # the reranker's own
        }
        if "score_threshold" in values:
            scale = values.get("scale", self.scale)
            values["threshold_scale"] = scale
            values["score_threshold"] = check_threshold(values["score_threshold"], scale)
        if "max_spans" in values:
            _max_spans({"spans": self.spans, **values})
        return replace(self, **values)._reachable()

    def _reachable(self) -> "Settings":
        if self.keep is not None and self.top_k is not None and self.top_k > self.keep:
            message = (
                f"{self.top_k} passages are to come back, but the cascade keeps only {self.keep} "
                f"for the last model. Lower {option('top_k')} (top_n in LlamaIndex and LangChain), "
                "or raise keep of the cascade's last stage."
            )
            raise InvalidInputError(message)
        if self.is_calibrated and self.calibrator is None:
            message = (
                f"{option('scale', 'calibrated')} needs a calibration. Give "
                f"{option('calibration', 'auto')} for the one in the model's folder, or the file "
                f"that `{command('rerank')} calibrate` wrote."
            )
            raise InvalidInputError(message)
        return self


def _max_spans(checked: Mapping[str, Any]) -> int:
    most: int = checked["max_spans"]
    if most > 1 and not checked["spans"]:
        message = (
            f"{option('max_spans', most)} goes with {option('spans', True)}, which is not given. "
            f"Give it, or leave {option('max_spans')} out."
        )
        raise InvalidInputError(message)
    return most


def _calibrator(source: str | None, scale: ScoreScale) -> Calibrator | None:
    if source is None:
        return None
    if scale != "calibrated":
        message = (
            f"{option('calibration')} is used with {option('scale', 'calibrated')}, and the scale "
            f"is {scale!r}. Set {option('scale', 'calibrated')}, or leave "
            f"{option('calibration')} out."
        )
        raise InvalidInputError(message)
    return Calibrator(source)
