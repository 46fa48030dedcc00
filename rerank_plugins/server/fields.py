"""Reads the keys of a request's body; keys that nobody reads are ignored."""

import math
from collections.abc import Sequence
from typing import Any

from rerank_plugins.checks.values import as_number
from rerank_plugins.messages.values import described
from rerank_plugins.server.exchange import RefusedError


class Fields:
    """The keys of a JSON object. `null` stands for a key that is not there.

    Args:
        body: What the client sent.

    Raises:
        RefusedError: It is no object.
    """

    def __init__(self, body: Any) -> None:
        if not isinstance(body, dict):
            message = f"The body must be a JSON object, but got {described(body)}."
            raise RefusedError(message, "invalid")
        self._body = body

    def has(self, name: str) -> bool:
        """Whether the key is there, with a value."""
        return self._body.get(name) is not None

    def raw(self, name: str) -> Any:
        """The value as it came; `None` if there is none."""
        return self._body.get(name)

    def text(self, name: str) -> str:
        """A string that must be there."""
        return _text(self._needed(name), name)

    def name(self, key: str = "model") -> str | None:
        """A string that may be missing."""
        return _text(self._body[key], key) if self.has(key) else None

    def texts(self, name: str) -> list[str]:
        """A list of at least one string."""
        return [_text(one, f"{name}[{at}]") for at, one in enumerate(self.items(name))]

    def items(self, name: str) -> list[Any]:
        """A list of at least one value."""
        found = self._needed(name)
        if not isinstance(found, list):
            raise _wrong(name, "a list", found)
        if not found:
            message = f"`{name}` cannot be empty. Send at least one."
            raise RefusedError(message, "empty")
        return found

    def object(self, name: str) -> "Fields":
        """An object that may be missing."""
        found = self._body.get(name)
        if found is not None and not isinstance(found, dict):
            raise _wrong(name, "an object", found)
        return Fields(found or {})

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean that may be missing."""
        found = self._body.get(name)
        if found is None:
            return default
        if not isinstance(found, bool):
            raise _wrong(name, "true or false", found)
        return found

    def count(self, name: str, least: int = 1) -> int | None:
        """A whole number that may be missing."""
        found = self._body.get(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or found < least:
            raise _wrong(name, f"a whole number >= {least}", found)
        return found

    def number(self, name: str, default: float) -> float:
        """A finite number that may be missing."""
        found = self._body.get(name)
        if found is None:
            return default
        number = as_number(found)
        if not math.isfinite(number):
            raise _wrong(name, "a number", found)
        return number

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """One of some strings, that may be missing."""
        found = self._body.get(name)
        if found is None or found in allowed:
            return found
        raise _wrong(name, " or ".join(f'"{one}"' for one in allowed), found)

    def _needed(self, name: str) -> Any:
        if not self.has(name):
            message = f"`{name}` is missing from the body. Send it."
            raise RefusedError(message, "invalid")
        return self._body[name]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)
    return value


def _wrong(name: str, wanted: str, value: Any) -> RefusedError:
    return RefusedError(f"`{name}` must be {wanted}, but got {described(value)}.", "invalid")
