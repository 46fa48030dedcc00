"""Question-passage pairs: reading them, and the development split cut from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.lines import json_rows, read_lines
from rerank_plugins.formats.pair_rows import query_and_answers
from rerank_plugins.tokens.pairs import valid_text

FILE_NAMES = ("pairs.jsonl", "pairs.jsonl.gz")


@dataclass(frozen=True)
class Pair:
    """One question and a passage that answers it."""

    query: str
    passage: str


def read_pairs(data: Path, source: str) -> list[Pair]:
    """Returns the pairs of one source, in file order.

    A source is a folder inside `data` that holds `pairs.jsonl` or `pairs.jsonl.gz`: one JSON
    object per line, with the fields `query` and `positive`, a text or a list of texts; each is a
    pair. Invalid Unicode in them becomes question marks.

    Raises:
        InvalidInputError: The source is missing, holds a broken line, or holds no pair.
    """
    path = _file_of(data, source)
    pairs = list(_parse(path))
    if not pairs:
        msg = f"{path} holds no pairs; it needs one JSON object per line."
        raise InvalidInputError(msg)
    return pairs


def source_digest(data: Path, source: str) -> str:
    """Returns a digest of a source's file.

    Raises:
        InvalidInputError: The source is missing.
    """
    with _file_of(data, source).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _file_of(data: Path, source: str) -> Path:
    for name in FILE_NAMES:
        path = data / source / name
        if path.is_file():
            return path
    msg = (
        f"source {source!r} has no {' or '.join(FILE_NAMES)} in {data / source}; "
        "give the folder that holds the sources with --data, or take the source out of the recipe."
    )
    raise InvalidInputError(msg)


def split_pairs(pairs: Iterable[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Returns the pairs to train on and the pairs held out.

    The passage decides, by a hash of its text: all questions of a passage land on the same side,
    whatever source or order they are read in.
    """
    train: list[Pair] = []
    held_out: list[Pair] = []
    for pair in pairs:
        (held_out if _position(pair.passage, seed) < share else train).append(pair)
    return train, held_out


def _position(text: str, seed: int) -> float:
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "big") / 2**64


def _parse(path: Path) -> Iterator[Pair]:
    for where, row in json_rows(read_lines(path), str(path)):
        query, answers = query_and_answers(row, where)
        if query:
            yield from (Pair(valid_text(query), valid_text(answer)) for answer in answers)
