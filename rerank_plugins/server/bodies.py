"""Bytes of a request to a JSON value, within limits, and JSON values to bytes."""

import json
import math
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import Response

from rerank_plugins.server.exchange import Ask, RefusedError


async def json_body(request: Request, most: int) -> Any:
    """The value that a client sends.

    Args:
        request: The request.
        most: The most bytes.

    Raises:
        RefusedError: They are too many, or no JSON.
    """
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > most:
        raise _too_large(most)
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > most:
            raise _too_large(most)
    try:
        return json.loads(bytes(data), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        message = f"The body is not JSON: {error}. Send a JSON object in UTF-8."
        raise RefusedError(message, "malformed") from error


def _no_number(text: str) -> NoReturn:
    message = f"{text} is not a finite number"
    raise ValueError(message)


def _finite(text: str) -> float:
    """The number of a text, unless no float is so big and no answer could give it back."""
    number = float(text)
    return number if math.isfinite(number) else _no_number(text[:60])


def _too_large(most: int) -> RefusedError:
    message = f"The body is longer than the {most} bytes that this server takes. Send fewer texts."
    return RefusedError(message, "too_large")


def check_size(ask: Ask, *, max_documents: int, max_characters: int) -> None:
    """Refuses a request of too many or too long texts.

    Raises:
        RefusedError: It is one.
    """
    if len(ask.texts) > max_documents:
        message = (
            f"batch size {len(ask.texts)} > maximum allowed batch size {max_documents}. Send fewer "
            "documents, or start the server with a higher --max-documents."
        )
        raise RefusedError(message, "too_many")
    if ask.characters > max_characters:
        message = (
            f"The texts have {ask.characters} characters together, and this server takes "
            f"{max_characters}. Send less, or start it with a higher --max-characters."
        )
        raise RefusedError(message, "too_large")


class Json(Response):
    """A JSON answer; half a surrogate pair, which UTF-8 cannot have, becomes a question mark."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of a value."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")
