"""Says in plain words whether to add the first stage's opinion, and the options to copy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rerank_plugins.evaluation.comparison import Comparison
from rerank_plugins.evaluation.fusion import FOLDS, WEIGHTS, Fusion
from rerank_plugins.evaluation.intervals import CONFIDENCE, Gain
from rerank_plugins.evaluation.measures import mean_name
from rerank_plugins.evaluation.verdict import FEW_QUERIES, counted
from rerank_plugins.options import RANKING_OPTIONS, SCORER_OPTIONS

AdviceAnswer = Literal["use", "leave", "do_not_rerank", "unknown"]
"""Fuse with the weight, rerank without, do neither, too few queries to say."""

_NAMED = 3
_SHOWN = 0.0005
"""The least difference that a figure times 100 with one decimal shows."""


@dataclass(frozen=True)
class Advice:
    """What to do with a reranker and the first stage's opinion, and why.

    Attributes:
        answer: The answer for programs.
        headline: The answer in one sentence.
        reasons: The figures behind it, as sentences.
        options: The options to copy if the answer is `"use"`; otherwise empty.
    """

    answer: AdviceAnswer
    headline: str
    reasons: tuple[str, ...]
    options: dict[str, Any]

    @property
    def text(self) -> str:
        """All sentences."""
        return " ".join((self.headline, *self.reasons))

    @property
    def python(self) -> str:
        """The options in a call; the plug-ins of the frameworks take the same arguments."""
        given = (
            f"{name}={json.dumps(value) if isinstance(value, str) else repr(value)}"
            for name, value in self.options.items()
        )
        return f"Reranker.from_options({', '.join(given)})"

    @property
    def yaml(self) -> str:
        """The options as lines of YAML."""
        return "\n".join(f"{name}: {json.dumps(value)}" for name, value in self.options.items())


def advice(fusion: Fusion, comparisons: Sequence[Comparison]) -> Advice:
    """Returns what the measured gains advise.

    Where the reranker alone is better than the first stage, fusion has to be better than the
    reranker. Where it is not, fusion has to be better than the first stage, which takes no time.
    Better means more than luck: the whole interval of the gain lies above 0.

    Args:
        fusion: What `cross_fitted` has found.
        comparisons: What it was given.
    """
    answer = _answer(fusion, comparisons)
    return Advice(
        answer,
        _headline(answer, fusion, comparisons),
        tuple(_reasons(answer, fusion, comparisons)),
        _options(fusion) if answer == "use" else {},
    )


def _answer(fusion: Fusion, comparisons: Sequence[Comparison]) -> AdviceAnswer:
    if fusion.queries < FEW_QUERIES or not any(each.ceiling for each in comparisons):
        return "unknown"
    helps_alone = fusion.model_over_first_stage.mean > 0
    rival = fusion.over_model if helps_alone else fusion.over_first_stage
    if fusion.weight and rival.sure:
        return "use"
    return "leave" if helps_alone else "do_not_rerank"


def _headline(answer: AdviceAnswer, fusion: Fusion, comparisons: Sequence[Comparison]) -> str:
    if answer == "use":
        return f"use first_stage_weight={fusion.weight:g}."
    if answer == "leave":
        return "leave first_stage_weight out: it gives no gain beyond luck."
    if answer == "do_not_rerank":
        better = fusion.over_first_stage.mean < 0
        return f"do not rerank: the first stage {'is better' if better else 'alone is as good'}."
    if fusion.queries < FEW_QUERIES:
        return f"cannot tell from {counted(fusion.queries)}. Judge {FEW_QUERIES} or more."
    return "cannot tell: nothing that is judged relevant is among the candidates."


def _reasons(answer: AdviceAnswer, fusion: Fusion, comparisons: Sequence[Comparison]) -> list[str]:
    chosen = sorted(set(fusion.fold_weights))
    folds = f"{chosen[0]:g}" + (f" to {chosen[-1]:g}" if len(chosen) > 1 else "")
    found = [
        f"{fusion.name} with the first stage's opinion gains {_interval(fusion.over_model)} of "
        f"{mean_name(comparisons[0].measures[0])} x 100 over {fusion.name} alone, and "
        f"{_interval(fusion.over_first_stage)} over the first stage"
        f"{f', as a mean of {len(comparisons)} collections' if len(comparisons) > 1 else ''} "
        f"({CONFIDENCE:.0%} intervals).",
        f"Each query was measured with a weight chosen on other queries ({FOLDS} folds, which "
        f"chose {folds}). The weight for all {fusion.queries} queries is {fusion.weight:g}.",
    ]
    if fusion.weight == WEIGHTS[-1]:
        found.append("No larger weight is tried: the reranker adds little to the first stage.")
    harmed = _harmed(fusion, comparisons)
    if answer == "use" and harmed:
        more = f", and {len(harmed) - _NAMED} more" if len(harmed) > _NAMED else ""
        found.append(f"It is worse than {fusion.name} alone on {', '.join(harmed[:_NAMED])}{more}.")
    if answer == "use" and fusion.options.get("calibration") is not None:
        found.append(
            "A calibration belongs to one weight: fit one to these scores with "
            f"`rerank calibrate --first-stage-weight {fusion.weight:g}`."
        )
    return found


def _interval(gain: Gain) -> str:
    mean, low, high = (f"{100 * value:+.1f}" for value in (gain.mean, gain.low, gain.high))
    return f"{mean} ({low} to {high})"


def _harmed(fusion: Fusion, comparisons: Sequence[Comparison]) -> list[str]:
    """The collections on which fusion loses, with the loss, the worst first."""
    losses = []
    for comparison, fused in zip(comparisons, fusion.orders, strict=True):
        first = comparison.measures[0]
        alone = comparison.order(fusion.name)
        losses.append((fused.mean(first) - alone.mean(first), comparison.collection.name))
    return [f"{name} ({100 * loss:+.1f})" for loss, name in sorted(losses) if loss <= -_SHOWN]


def _options(fusion: Fusion) -> dict[str, Any]:
    """What differs from the defaults, and the weight; the model is always named, a token never."""
    declared = {**SCORER_OPTIONS, **RANKING_OPTIONS}
    changed = {
        name: value
        for name, value in fusion.options.items()
        if name == "model" or (name != "token" and value != declared[name].default)
    }
    return {**changed, "first_stage_weight": fusion.weight}
