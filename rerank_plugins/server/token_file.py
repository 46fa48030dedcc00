"""The tokens that a server lets in."""

import os
from pathlib import Path

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option


def read_tokens(file: str | None) -> list[str]:
    """The tokens in a file, or without one in the variable `RERANK_TOKEN`, which may be unset.

    Each line is a token, without the white space around it.

    Raises:
        InvalidInputError: The file cannot be read, or it or the variable has no token.
    """
    if file is None:
        text = os.environ.get("RERANK_TOKEN", "")
        return _tokens(text, "The variable RERANK_TOKEN") if text else []
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        message = (
            f"{option('token_file', file)} cannot be read: {error}. Give a file with one token in "
            "each line."
        )
        raise InvalidInputError(message) from error
    return _tokens(text, option("token_file", file))


def _tokens(text: str, where: str) -> list[str]:
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        message = f"{where} has no token. Write one in it, or leave it out."
        raise InvalidInputError(message)
    return found
