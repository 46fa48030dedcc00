"""Text files as lines and as JSON Lines: compressed or not, from a path or standard input."""

import codecs
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rerank_plugins.errors import InvalidInputError

STANDARD_INPUT = "-"

_GZIP_START = b"\x1f\x8b"


def read_lines(source: str | Path) -> Iterator[str]:
    """The lines of a file, of a gzip file, or of standard input (`-`), without line endings.

    A byte order mark is dropped. A line ends with a line feed or with a carriage return and a line
    feed; a carriage return alone is text.

    Raises:
        InvalidInputError: The file cannot be read or is not UTF-8 text.
    """
    name = shown(source)
    try:
        with _binary(source) as binary:
            compressed = binary.peek(2)[:2] == _GZIP_START
            stream = gzip.GzipFile(fileobj=binary) if compressed else binary
            if _is_utf16(stream.peek(2)[:2]):
                message = (
                    f"{name} is UTF-16 text, but must be UTF-8. Convert it first, for example: "
                    "iconv -f UTF-16 -t UTF-8"
                )
                raise InvalidInputError(message)
            with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="\n") as lines:
                for line in lines:
                    yield line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        message = (
            f"{name} is not UTF-8 text (byte {error.object[error.start]:#04x}: {error.reason}). "
            "Convert it first, for example: iconv -f LATIN1 -t UTF-8"
        )
        raise InvalidInputError(message) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        message = f"{name} is a damaged gzip file: {error}."
        raise InvalidInputError(message) from error
    except OSError as error:
        message = f"cannot read {name}: {error.strerror or error}. Give a file, or - for a pipe."
        raise InvalidInputError(message) from error


def json_rows(
    lines: Iterable[str], name: str, *, hint: str = "JSON Lines have one JSON value per line."
) -> Iterator[tuple[str, Any]]:
    """The place (`name, line 3`) and the value of each line of JSON that is not blank.

    Args:
        lines: The lines.
        name: The name of their file in messages.
        hint: The last sentence of the message about a line that is not JSON.

    Raises:
        InvalidInputError: A line is not JSON.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            message = f"{where} is not JSON: {error}. {hint}"
            raise InvalidInputError(message) from error
        yield where, value


def texts_by_id(rows: Iterable[tuple[str, str]], name: str) -> dict[str, str]:
    """Returns ids to texts.

    Args:
        rows: Pairs of an id and a text.
        name: The name of their file in messages.

    Raises:
        InvalidInputError: An id has two different texts.
    """
    texts: dict[str, str] = {}
    for id, text in rows:
        if texts.setdefault(id, text) != text:
            message = (
                f"{name} has the id {id!r} twice, with different texts. Give each text its own "
                "id; a chunk's, for example, is the document's id and the chunk's number."
            )
            raise InvalidInputError(message)
    return texts


def shown(source: str | Path) -> str:
    """The name of a source in messages."""
    return "standard input" if source == STANDARD_INPUT else str(source)


def packed_or_plain(path: Path) -> Path | None:
    """The file, or the gzipped one beside it; `None` if there is neither.

    Raises:
        InvalidInputError: Their folder cannot be read.
    """
    packed = path.with_name(f"{path.name}.gz")
    return next(filter(is_file, (path, packed)), None)


def is_file(path: Path) -> bool:
    """Whether there is such a file.

    Raises:
        InvalidInputError: Its folder cannot be read.
    """
    try:
        return path.is_file()
    except OSError as error:
        message = (
            f"cannot read {path}: {error.strerror}. Check the path, and that this user has the "
            "right to it."
        )
        raise InvalidInputError(message) from error


def _is_utf16(start: bytes) -> bool:
    """Whether a file's first two bytes are a UTF-16 byte order mark, or one of them is zero."""
    return start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or start.count(0) == 1


def _binary(source: str | Path) -> io.BufferedReader:
    """An open binary stream; standard input is read in full first, so that it stays open."""
    if source != STANDARD_INPUT:
        return Path(source).open("rb")
    if sys.stdin is None:
        message = "standard input is closed. Give a file, or pipe something into the command."
        raise InvalidInputError(message)
    return io.BufferedReader(io.BytesIO(sys.stdin.buffer.read()))
