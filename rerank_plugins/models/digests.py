"""Digests of files and of lines of text."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def file_digest(file: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_digest(lines: Iterable[str]) -> str:
    """The sha256 of lines of text, in hexadecimal."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
