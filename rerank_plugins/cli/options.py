"""Options of the library, as a command takes them."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, TypeVar

import typer

from rerank_plugins.checks.declaration import Option
from rerank_plugins.checks.values import MINIMUM_MAX_LENGTH
from rerank_plugins.options import DOCUMENT_OPTIONS, RANKING_OPTIONS, SCORER_OPTIONS
from rerank_plugins.scorer import CrossEncoderScorer
from rerank_plugins.server.options import SERVER_OPTIONS

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = {**SCORER_OPTIONS, **RANKING_OPTIONS, **DOCUMENT_OPTIONS, **SERVER_OPTIONS}

_TYPES: dict[str, Any] = {
    "model": str,
    "device": str | None,
    "label": str | None,
    "score_cache": str | None,
    "first_stage_weight": str | None,
    "cascade": list[str] | None,
    "time_budget": str | None,
    "calibration": str | None,
}
"""Types of options that Python's users may also give in another form."""

_MORE: dict[str, dict[str, Any]] = {
    "threads": {"min": 1, "metavar": "N"},
    "max_length": {"min": MINIMUM_MAX_LENGTH, "metavar": "N"},
    "window_tokens": {"min": 1, "metavar": "N"},
    "window_overlap": {"min": 0, "metavar": "N"},
    "max_windows": {"min": 1, "metavar": "N"},
    "top_k": {"min": 1, "metavar": "N"},
    "first_stage_weight": {"metavar": "NUMBER"},
    "calibration": {"metavar": "FILE"},
    "cascade": {"metavar": "MODEL:KEEP"},
    "score_cache": {"metavar": "FILE"},
    "time_budget": {"metavar": "TIME"},
    "first_stage_score_field": {"metavar": "FIELD"},
    "max_spans": {"min": 1, "metavar": "N"},
    "compress": {"metavar": "HOW"},
}

_SPELLED = {"higher_is_better": "--higher-is-better/--lower-is-better"}
"""Options that are not spelled as their names."""


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
    return with_options({name: {} for name in wanted})


def with_options(wanted: Mapping[str, Mapping[str, str]]) -> Callable[[Command], Command]:
    """Gives a command options of the library, which it takes as `**options`.

    Args:
        wanted: Their names, each with arguments of `typed` such as `help`.
    """

    def added(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        more = [_parameter(_OPTIONS[name], said) for name, said in wanted.items()]
        command.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*own, *more]
        )
        return command

    return added


def typed(
    name: str, *short: str, help: str = "", unset: str = "", envvar: str | None = None
) -> Any:
    """The typer option of one of the library's options.

    Args:
        name: The option.
        *short: Other spellings, such as `-m`.
        help: More about it here.
        unset: What stands for its default, if not what the declaration says.
        envvar: The environment variable that stands for it.
    """
    option = _OPTIONS[name]
    return typer.Option(
        _SPELLED.get(name, f"--{name.replace('_', '-')}"),
        *short,
        help=f"{plain(option.help)} {help}".rstrip(),
        envvar=envvar,
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


def _parameter(option: Option, said: Mapping[str, str]) -> inspect.Parameter:
    short = {"model": ("-m",), "top_k": ("-k",)}.get(option.name, ())
    kind = _TYPES.get(option.name, option.type)
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default="embedded" if option.name == "model" else option.default,
        annotation=Annotated[kind, typed(option.name, *short, **said)],
    )
