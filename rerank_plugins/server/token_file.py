"""The tokens that a server lets in."""

import os
from pathlib import Path

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option


def read_tokens(file: str | None) -> list[str]:
    """The tokens in a file, or without one in the variable `RERANK_TOKEN`.

    Raises:
        InvalidInputError: The file cannot be read or has no token.
    """
    if file is None:
        return os.environ.get("RERANK_TOKEN", "").split()
    try:
        found = Path(file).read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        message = (
            f"{option('token_file', file)} cannot be read: {error}. Give a file with one token in "
            "each line."
        )
        raise InvalidInputError(message) from error
    if not found:
        message = f"{option('token_file', file)} has no token. Write one in it, or leave it out."
        raise InvalidInputError(message)
    return found
