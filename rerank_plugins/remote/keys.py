"""The key of a server: from an option, a function or an environment variable."""

import os
from collections.abc import Callable
from typing import Any

from rerank_plugins.errors import InvalidInputError


def key_of(given: str | Callable[[], str | None] | None, variable: str | None) -> str | None:
    """The key; `None` if there is none. No message shows it.

    Args:
        given: The key, or a function that returns it.
        variable: The name of an environment variable that holds it.

    Raises:
        InvalidInputError: The variable is not set, or the key cannot be sent.
    """
    key: Any = given() if callable(given) else given
    if key is None and variable is not None:
        key = os.environ.get(variable)
        if not (key or "").strip():
            message = (
                f"The environment variable {variable!r}, which api_key_variable= names, is not "
                "set. Set it to the key of the server."
            )
            raise InvalidInputError(message)
    if key is None:
        return None
    if not isinstance(key, str) or not key.strip().isprintable():
        message = (
            "The key of the server must be a string of one line; check api_key= or the variable "
            "that api_key_variable= names."
        )
        raise InvalidInputError(message)
    return key.strip() or None
