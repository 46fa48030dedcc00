"""Whether the values of a recipe are of the kinds that its fields name, and possible."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from rerank_plugins.errors import InvalidInputError

_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text in quotes",
    "str | None": "a text in quotes",
    "tuple[int, ...]": "a list of whole numbers, such as [0, 2]",
    "tuple[ViewConfig, ...]": "tables headed [[views]]",
    "Mapping[str, int]": "a table of source = number of questions",
    "Mapping[str, float]": "a table of folder = weight",
    "MiningConfig": "a table headed [mining]",
    "LoopConfig": "a table headed [loop]",
}


def check_kinds(part: Any, where: str = "") -> None:
    """Checks every field of a dataclass against its annotation.

    Args:
        part: An instance of the dataclass.
        where: Prefix of a field's name in messages.

    Raises:
        InvalidInputError: A value is of another kind.
    """
    kinds = get_type_hints(type(part))
    for entry in dataclasses.fields(part):
        value = getattr(part, entry.name)
        if not _fits(value, kinds[entry.name]):
            allowed = _WORDS[str(entry.type)]
            msg = f"{where}{entry.name} is {value!r}; allowed is {allowed}."
            raise InvalidInputError(msg)


def _fits(value: object, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        return isinstance(value, (list, tuple)) and all(_fits(one, parts[0]) for one in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _fits(entry, part)
            for pair in value.items()
            for entry, part in zip(pair, parts, strict=True)
        )
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool  # Python counts it as a number
    return isinstance(value, (int, float) if kind is float else kind)


def require(condition: bool, name: str, given: object, allowed: str) -> None:
    """Raises an error that names what was given and what is allowed, unless the condition holds.

    Raises:
        InvalidInputError: It does not.
    """
    if not condition:
        msg = f"{name} is {given!r}; allowed is {allowed}."
        raise InvalidInputError(msg)
