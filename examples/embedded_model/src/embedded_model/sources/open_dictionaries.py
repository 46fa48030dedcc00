"""Dictionaries in dictd's form turned into pairs: a headword, and what the dictionary says of it.

Debian's packages `dict-gcide`, `dict-foldoc`, `dict-jargon` and their like put two files in
`/usr/share/dictd`: `NAME.index` says where each headword's entry lies in `NAME.dict.dz`.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from embedded_model.sources.pairs import Pair
from rerank_plugins.errors import InvalidInputError

ASKED = ("{}", "what is {}", "define {}", "{} meaning", "What does {} mean?")
"""The ways in which a word is asked for."""

_HELD = ("{definition}", "{word}: {definition}")
_LONGEST = 150
_SHORTEST = 6
_DIGITS = {
    letter: value
    for value, letter in enumerate(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    )
}
_PRONOUNCED = re.compile(r"\\[^\\]*\\(?:\s*\([^)]*\))?")
_ACCENTED = re.compile(r"\[[^\w\s]*([a-z]{1,2})[^\w\s]*\]")  # a["e]ronautics
_LEFT_OVER = re.compile(r"\[[^\[\]]*\]\s+[\w '-]+\Z")  # the next headword, in GCIDE
_BRACKETED = re.compile(r"\[[^\[\]]*\]")  # [1913 Webster], and where the word comes from
_BRACED = re.compile(r"\{\s*\(?((?:https?|ftp)://[^}]*)?([^{}]*)\}")
_SUBJECT = re.compile(r"<[a-z][\w ,/-]*>")
_DATED = re.compile(r"\(\d{4}-\d\d-\d\d\)")
_GRAMMAR = re.compile(r"(?:[,;&\s]*\b(?:n|v|a|adj|adv|prep|conj|interj|t|i|pl|imp|p|pr|vb)\.)+\s*")
_ELSEWHERE = re.compile(r"(?:\d\. )?(?:same as|see(?: also| under)?|=)\s", flags=re.IGNORECASE)


def dictionary_pairs(database: Path) -> Iterator[Pair]:
    """Yields one pair an entry: its headword, asked in one of five ways, and the definition.

    `database` is the files' common name, such as `/usr/share/dictd/gcide`. Marks of
    pronunciation, origin and source are taken out; entries that only point at another are left
    out, as are the further names under which an entry can be found.

    Raises:
        InvalidInputError: A file is missing, is not in dictd's form, or holds no definition.
    """
    index = database.with_name(database.name + ".index")
    if not index.is_file():
        msg = (
            f"there is no file {index}; give a dictd database without its ending, "
            "/usr/share/dictd/gcide with Debian's package dict-gcide."
        )
        raise InvalidInputError(msg)
    entries = _entries(database)
    seen: set[str] = set()
    for line in index.read_text(encoding="utf-8", errors="replace").splitlines():
        word, start, length = _place(line, index)
        entry = entries[start : start + length].decode("utf-8", errors="replace").strip()
        if word.startswith("00") or not _begins(entry, word):
            continue
        if entry[: len(word)].casefold() == word.casefold():
            word = entry[: len(word)]  # an index may be in lower case
        definition = clean_definition(entry, word)
        count = len(definition.split())
        pointer = _ELSEWHERE.match(definition) is not None and count < 3 * _SHORTEST
        if count < _SHORTEST or pointer or definition in seen:
            continue
        asked = ASKED[len(seen) // len(_HELD) % len(ASKED)].format(word)
        held = _HELD[len(seen) % len(_HELD)].format(word=word, definition=definition)
        seen.add(definition)
        yield Pair(asked, held)
    if not seen:
        msg = f"{database} holds no definition; give a dictd database of English definitions."
        raise InvalidInputError(msg)


def clean_definition(entry: str, word: str) -> str:
    """Returns what an entry says of `word`, on one line, without the dictionary's own marks."""
    text = _PRONOUNCED.sub(" ", _LEFT_OVER.sub("", entry))
    text = _ACCENTED.sub(r"\1", text).replace("[deg]", " degrees")
    text = _drop_nested(_BRACKETED, text)
    for mark in (_SUBJECT, _DATED):
        text = mark.sub(" ", text)
    text = _BRACED.sub(r"\2", text)
    text = " ".join(text.split())
    if text.casefold().startswith(word.casefold()):
        text = text[len(word) :].lstrip(" ,;:-")
    text = _GRAMMAR.sub("", text, count=1) if _GRAMMAR.match(text) else text
    text = re.sub(r"\.(?:\s+\.)+", ".", text)  # what stood between was a source
    text = re.sub(r"\s+([.,;:])", r"\1", text)
    return " ".join(text.split()[:_LONGEST])


def _drop_nested(pattern: re.Pattern[str], text: str) -> str:
    found = 1
    while found:
        text, found = pattern.subn(" ", text)
    return text


def _begins(entry: str, word: str) -> bool:
    """Whether the entry is the word's own; an index also lists other names of it."""
    plain = re.sub(r"\W", "", word).casefold()
    return bool(plain) and re.sub(r"\W", "", entry[: 3 * len(word)]).casefold().startswith(plain)


def _place(line: str, index: Path) -> tuple[str, int, int]:
    try:
        word, start, length, *_ = line.split("\t")
        return word.strip(), _number(start), _number(length)
    except (KeyError, ValueError) as error:
        msg = f"{index} is no dictd index: {line[:60]!r} is not a word, a start and a length."
        raise InvalidInputError(msg) from error


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 64 + _DIGITS[digit]
    return value


def _entries(database: Path) -> bytes:
    packed = database.with_name(database.name + ".dict.dz")
    plain = database.with_name(database.name + ".dict")
    if plain.is_file():
        return plain.read_bytes()
    if not packed.is_file():
        msg = f"there is no file {packed}; a dictd database has one beside its .index."
        raise InvalidInputError(msg)
    try:
        with gzip.open(packed) as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{packed} cannot be unpacked ({error}); a .dict.dz is a gzip file."
        raise InvalidInputError(msg) from error
