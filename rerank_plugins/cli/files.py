"""Writes output files, and checks early that they can be written."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rerank_plugins.cli.errors import show
from rerank_plugins.errors import InvalidInputError, RerankError


@dataclass(frozen=True)
class Writes:
    """What came of writing several files, to be shown after the result.

    Files are written before anything is printed, because a reader of standard output may go away
    (`| head`) and end the command. A file that fails costs neither the others nor the result.

    Attributes:
        notes: What the user should know about the files.
        errors: Messages about those that could not be written, each once.
    """

    notes: list[str] = field(default_factory=list)
    errors: dict[str, RerankError] = field(default_factory=dict)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Keeps the error of writing one file for later."""
        try:
            yield
        except RerankError as error:
            self.errors.setdefault(str(error), error)

    def finish(self) -> None:
        """Shows the notes and the errors.

        Raises:
            RerankError: A file could not be written.
        """
        for note in self.notes:
            show("note", note)
        errors = list(self.errors.values())
        for error in errors[:-1]:
            show("error", str(error))
        if errors:
            raise errors[-1]


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
