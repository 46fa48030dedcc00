"""The options of a scorer, as a command takes them."""

import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any, TypeVar

import typer

from rerank_plugins.checks.declaration import Option
from rerank_plugins.checks.values import MINIMUM_MAX_LENGTH
from rerank_plugins.options import SCORER_OPTIONS
from rerank_plugins.scorer import CrossEncoderScorer

Command = TypeVar("Command", bound=Callable[..., Any])

_TYPES = {"model": str, "device": str | None, "label": str | None}
"""Types of options that Python's users may also give in another form."""

_MORE: dict[str, dict[str, Any]] = {"max_length": {"min": MINIMUM_MAX_LENGTH, "metavar": "N"}}


def scorer_options(*names: str, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Gives a command the options of a scorer, which it takes as `**scorer`.

    Args:
        *names: The options; by default all that can be typed.
        without: Options that the command declares itself.
    """
    wanted = names or [
        option.name
        for option in SCORER_OPTIONS.values()
        if option.typed and option.name not in without
    ]

    def with_options(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        more = [_parameter(SCORER_OPTIONS[name]) for name in wanted]
        command.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*own, *more]
        )
        return command

    return with_options


def typed(name: str, *short: str, help: str = "", unset: str = "") -> Any:
    """The typer option of one of a scorer's options.

    Args:
        name: The option of a scorer.
        *short: Other spellings, such as `-m`.
        help: More about it here.
        unset: What stands for its default, if not what the declaration says.
    """
    option = SCORER_OPTIONS[name]
    return typer.Option(
        f"--{name.replace('_', '-')}",
        *short,
        help=f"{plain(option.help)} {help}".rstrip(),
        show_default=unset or option.unset or option.default not in (None, ""),
        **_MORE.get(name, {}),
    )


def plain(text: str) -> str:
    """A sentence of the declaration as it stands in a terminal, without the marks of code."""
    return text.replace("`", "").replace('"', "")


def scorer_of(options: dict[str, Any], *, progress_bar: bool = False) -> CrossEncoderScorer:
    """The scorer that the options of a command describe; nothing is loaded yet.

    Raises:
        InvalidInputError: An option is not allowed.
    """
    return CrossEncoderScorer(**as_arguments(options), progress_bar=progress_bar)


def as_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a command as a scorer's: a label that is a number is a column's index."""
    label = options.get("label")
    return options if label is None or not label.isdecimal() else {**options, "label": int(label)}


def _parameter(option: Option) -> inspect.Parameter:
    short = ("-m",) if option.name == "model" else ()
    kind = _TYPES.get(option.name, option.type)
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default="embedded" if option.name == "model" else option.default,
        annotation=Annotated[kind, typed(option.name, *short)],
    )
