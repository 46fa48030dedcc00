"""Reading what the user names: a file or standard input, compressed or not, as lines of text."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from rerank_plugins.errors import InvalidInputError

STANDARD_INPUT = "-"

_GZIP_START = b"\x1f\x8b"


def read_lines(source: str) -> Iterator[str]:
    """The lines of a file, of a gzip file, or of standard input (`-`), without their ends.

    A byte order mark is dropped; lines may end as on any system.

    Raises:
        InvalidInputError: The file cannot be read or is not UTF-8 text.
    """
    name = shown(source)
    try:
        with _binary(source) as binary:
            compressed = binary.peek(2)[:2] == _GZIP_START
            stream = gzip.GzipFile(fileobj=binary) if compressed else binary
            with io.TextIOWrapper(stream, encoding="utf-8-sig") as lines:
                for line in lines:
                    yield line.removesuffix("\n")
    except UnicodeDecodeError as error:
        message = (
            f"{name} is not UTF-8 text (byte {error.object[error.start]:#04x}: {error.reason}). "
            "Convert it first, for example: iconv -f LATIN1 -t UTF-8"
        )
        raise InvalidInputError(message) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        message = f"{name} is a damaged gzip file: {error}"
        raise InvalidInputError(message) from error
    except OSError as error:
        message = f"cannot read {name}: {error.strerror or error}. Give a file, or - for a pipe."
        raise InvalidInputError(message) from error


def shown(source: str) -> str:
    """What messages call a source."""
    return "standard input" if source == STANDARD_INPUT else source


def check_writable(output: Path) -> None:
    """Raises `InvalidInputError` where a file cannot be written, before hours are spent on it."""
    if output.is_dir():
        message = f"{output} is a folder. Give --output the name of a file."
        raise InvalidInputError(message)
    if not output.parent.is_dir():
        message = f"there is no folder {output.parent} to write {output.name} in. Make it first."
        raise InvalidInputError(message)


def write_text(output: Path, text: str) -> None:
    """Writes UTF-8 text to a file, compressed if its name ends in `.gz`.

    Raises:
        InvalidInputError: The file cannot be written.
    """
    content = text.encode()
    try:
        output.write_bytes(gzip.compress(content) if output.suffix == ".gz" else content)
    except OSError as error:
        message = f"cannot write {output}: {error.strerror or error}."
        raise InvalidInputError(message) from error


def _binary(source: str) -> io.BufferedReader:
    """An open binary stream; standard input is read to its end first, so that it stays open."""
    if source != STANDARD_INPUT:
        return Path(source).open("rb")
    return io.BufferedReader(io.BytesIO(sys.stdin.buffer.read()))
