"""What a server's refusal means: whether to try again, after how long, and which error it is."""

import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from rerank_plugins.errors import QueueFullError, RerankError, ServerError
from rerank_plugins.remote.answers import message_of, without_key

_AGAIN = (429, 503)
_FIRST_PAUSE = 0.5
"""Seconds before a request is sent again, at most; each further pause is up to twice as long."""

_NO_KEY = "Name the environment variable that holds the key: api_key_variable='NAME'."
_WRONG_KEY = "Check the key that api_key= or api_key_variable= names."
_HINTS: Mapping[int, str] = {
    401: _WRONG_KEY,
    403: _WRONG_KEY,
    404: "Check url=, dialect= and model=.",
    413: "Lower batch_size=.",
    422: "If the server takes fewer passages at once, lower batch_size=.",
    429: "Ask for less at once, or raise retries= and timeout=.",
    503: "Raise retries= and timeout= if the server is only starting.",
}


def pause_before_retry(
    status: int, headers: Mapping[str, str], attempt: int, most: int
) -> float | None:
    """Seconds after which a refused request is sent again; `None` if it is not.

    Args:
        status: The status of the answer.
        headers: Its headers; `Retry-After` says how long to wait.
        attempt: How often the request was sent again already.
        most: How often it may be sent again.
    """
    if status not in _AGAIN or attempt >= most:
        return None
    wanted = _retry_after(headers.get("retry-after", ""))
    if wanted is not None:
        return wanted
    longest: float = _FIRST_PAUSE * 2**attempt
    return random.uniform(0.5, 1.0) * longest  # many clients should not come back together


def _retry_after(header: str) -> float | None:
    """The seconds that a header names, as a number or as a date."""
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def refusal(
    where: str, status: int, headers: Mapping[str, str], body: bytes, key: str | None
) -> RerankError:
    """The error of an answer that is no success.

    Args:
        where: The server's name in messages.
        status: The status.
        headers: The headers.
        body: The body, whose message is shown.
        key: The key, which a message must not show.
    """
    if 300 <= status < 400:
        target = without_key(headers.get("location", "nowhere"), key)
        message = (
            f"{where} answered {status}: it redirects to {target}, and redirects are not followed. "
            "If that is the server, give its address as url=."
        )
        return ServerError(message)
    said = message_of(body, key) or "nothing"
    said = said if said.endswith((".", "!", "?")) else f"{said}."
    hint = _NO_KEY if status == 401 and key is None else _HINTS.get(status, "")
    message = f"{where} answered {status}: {said} {hint}".rstrip()
    return QueueFullError(message) if status == 429 else ServerError(message)
