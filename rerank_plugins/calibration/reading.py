"""What tells scores from those that calibrations were fitted to, and how to calibrate them."""

import ast
import shlex
from collections.abc import Sequence

from rerank_plugins.checks.long_passages import WINDOW_OPTIONS
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import command_options, option
from rerank_plugins.scoring.identity import Identity


def other_reading(fitted: Sequence[Sequence[str]], asked: Sequence[str]) -> str:
    """The end of a message about a scorer that reads otherwise than all calibrations of its model.

    Args:
        fitted: What each calibration was fitted with, as `Identity.reading`.
        asked: What the scorer has.

    Returns:
        What to set and to leave out for the calibration that differs least.
    """
    nearest = min(fitted, key=lambda each: len(set(each).symmetric_difference(asked)))
    wanted = [each for each in nearest if each not in asked]
    unwanted = [each for each in asked if each not in nearest]
    ways = [f"Set {', '.join(map(_typed, wanted))}."] if wanted else []
    implied = WINDOW_OPTIONS if "long_passages='truncate'" in wanted else ()
    named = {_name(each) for each in nearest}.union(implied)
    extra = [option(_name(each)) for each in unwanted if _name(each) not in named]
    ways += [f"Leave {', '.join(extra)} out."] if extra else []
    has = ", ".join(map(_typed, unwanted)) or "none of these"
    return (
        "it was fitted with other options of what the model reads, and this scorer has "
        f"{has}. {' '.join(ways)}"
    )


def calibrate_command(name: str, identity: Identity, weight: float) -> str:
    """What to type for a calibration of a model's scores as they are now.

    Args:
        name: The model.
        identity: What makes its scores what they are.
        weight: The weight of the first stage's opinion in them; 0 for none.
    """
    with command_options():
        spelled = map(_typed, identity.reading)
        options = [each for each in spelled if each.startswith("--")]
        if identity.precision not in ("", "fp32"):
            options.insert(0, option("precision", identity.precision))
        if weight:
            options.append(option("first_stage_weight", f"{weight:g}"))
    typed = " ".join([shlex.quote(name), *options])
    return f"{command('rerank')} calibrate COLLECTION --model {typed} --output FILE"


def _name(entry: str) -> str:
    return entry.partition("=")[0]


def _typed(entry: str) -> str:
    """An option with its value; scorers of one's own may name what they read in other words."""
    name, _, value = entry.partition("=")
    try:
        return option(name, ast.literal_eval(value))
    except (SyntaxError, ValueError):
        return entry
