"""Writes output files, and checks early that they can be written."""

import gzip
from pathlib import Path

from rerank_plugins.errors import InvalidInputError


def check_writable(output: Path) -> None:
    """Checks that a file can be written, before hours are spent on its content.

    Raises:
        InvalidInputError: The file cannot be written.
    """
    try:
        if output.is_dir():
            message = f"{output} is a folder. Give the name of a file."
            raise InvalidInputError(message)
        if not output.parent.is_dir():
            message = (
                f"there is no folder {output.parent} to write {output.name} in. Make it first."
            )
            raise InvalidInputError(message)
        is_new = not output.exists()
        if is_new or output.is_file():  # the other end of a pipe would notice that it was opened
            output.open("ab").close()
            if is_new:
                output.resolve().unlink(missing_ok=True)  # the new file, not a link to it
    except OSError as error:
        message = f"cannot write {output}: {error.strerror or error}."
        raise InvalidInputError(message) from error


def write_text(output: Path, text: str) -> None:
    """Writes UTF-8 text to a file, compressed if its name ends in `.gz`.

    Raises:
        InvalidInputError: The file cannot be written.
    """
    content = text.encode(errors="replace")  # half a surrogate pair must not lose a whole report
    try:
        output.write_bytes(gzip.compress(content) if output.suffix == ".gz" else content)
    except OSError as error:
        message = f"cannot write {output}: {error.strerror or error}."
        raise InvalidInputError(message) from error
