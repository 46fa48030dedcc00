"""Times as they are typed: `100ms`, `0.1s`, or `0.1`, which is seconds."""

import math
import re

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option

_TYPED = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s|)\s*")


def seconds(text: str, name: str) -> float:
    """Returns a typed time in seconds.

    Args:
        text: The time.
        name: The option that it was typed for.

    Raises:
        InvalidInputError: It is no time above 0.
    """
    typed = _TYPED.fullmatch(text)
    value = float(typed[1]) / (1000 if typed[2] == "ms" else 1) if typed else 0.0
    if not 0.0 < value < math.inf:
        message = (
            f"{option(name)} must be a time above 0 such as 100ms, 0.1s or 0.1 (seconds), but got "
            f"{text!r}."
        )
        raise InvalidInputError(message)
    return value


def several_seconds(text: str, name: str) -> list[float]:
    """Returns typed times, separated by commas, in seconds: each once, the shortest first.

    Raises:
        InvalidInputError: One of them is no time above 0.
    """
    return sorted({seconds(part, name) for part in text.split(",")})
