"""The declaration of an option, and what constructors make of it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, get_args

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a constructor.

    Attributes:
        default: Its value if it is not given.
        check: Takes the value and the option's name; returns the value as the core stores it, or
            raises `InvalidInputError`.
        help: One sentence about it; code stands in backticks.
        unset: What `None` stands for, if it is the default.
        in_python: One more sentence for Python, about what a command has no form for.
        typed: Whether the `rerank` command has it.
        name: Its name, taken from the declaration.
        type: Its type, taken from the declaration.
    """

    default: Any
    check: Callable[[Any, str], Any]
    help: str
    unset: str = ""
    in_python: str = ""
    typed: bool = True
    name: str = ""
    type: Any = None

    @property
    def description(self) -> str:
        """All that Python's users read about it."""
        unset = f"`None`: {self.unset}." if self.unset else ""
        return " ".join(part for part in (self.help, self.in_python, unset) if part)


def declared(*classes: Any) -> dict[str, Option]:
    """The options that `TypedDict` classes declare, by name."""
    found = {}
    for one in classes:
        for name, hint in one.__annotations__.items():
            kind, option = get_args(hint)
            found[name] = replace(option, name=name, type=kind)
    return found


def checked(given: Mapping[str, Any], options: Mapping[str, Option], owner: str) -> dict[str, Any]:
    """All `options` with the value that was given or the default, checked and normalised.

    Args:
        given: Values by name.
        options: The declared options.
        owner: What takes the options, for messages.

    Raises:
        InvalidInputError: A value is not allowed.
        TypeError: There is no option of a given name.
    """
    for name in given:
        if name not in options:
            message = f"{owner}() got an unexpected keyword argument {name!r}"
            raise TypeError(message)
    return {
        name: option.check(given.get(name, option.default), name)
        for name, option in options.items()
    }


def changed(values: Mapping[str, Any], options: Mapping[str, Option]) -> dict[str, Any]:
    """The values that are not the defaults of these `options`."""
    return {name: value for name, value in values.items() if value != options[name].default}


def spelled_out(function: Function) -> Function:
    """Gives a function that takes `**options: Unpack[...]` a signature that names every option."""
    signature = inspect.signature(function)
    *named, options = signature.parameters.values()
    more = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=option.type,
        )
        for option in declared(*get_args(options.annotation)).values()
    ]
    function.__signature__ = signature.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
    return function
