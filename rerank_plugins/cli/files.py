"""Writing where the user says, and finding out early that it cannot be done."""

import gzip
from pathlib import Path

from rerank_plugins.errors import InvalidInputError


def check_writable(output: Path) -> None:
    """Raises `InvalidInputError` where a file cannot be written, before hours are spent on it."""
    if output.is_dir():
        message = f"{output} is a folder. Give --output the name of a file."
        raise InvalidInputError(message)
    if not output.parent.is_dir():
        message = f"there is no folder {output.parent} to write {output.name} in. Make it first."
        raise InvalidInputError(message)
    is_new = not output.exists()
    if is_new or output.is_file():  # a pipe or a device would notice that it was opened
        try:
            output.open("ab").close()
            if is_new:
                output.resolve().unlink(missing_ok=True)  # what was made, not a link to it
        except OSError as error:
            message = f"cannot write {output}: {error.strerror or error}."
            raise InvalidInputError(message) from error


def write_text(output: Path, text: str) -> None:
    """Writes UTF-8 text to a file, compressed if its name ends in `.gz`.

    Raises:
        InvalidInputError: The file cannot be written.
    """
    content = text.encode(errors="replace")  # half a character must not cost a whole report
    try:
        output.write_bytes(gzip.compress(content) if output.suffix == ".gz" else content)
    except OSError as error:
        message = f"cannot write {output}: {error.strerror or error}."
        raise InvalidInputError(message) from error
