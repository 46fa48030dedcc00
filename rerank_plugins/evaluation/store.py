"""Scores kept in a file, so that an interrupted run can continue."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation.timing import Answer, ScoreFunction, timed_answer

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    scorer TEXT NOT NULL, request TEXT NOT NULL, scores BLOB NOT NULL, seconds REAL NOT NULL,
    cut INTEGER, read TEXT, PRIMARY KEY (scorer, request)
) WITHOUT ROWID
"""


class ScoreStore:
    """Keeps scorers' answers in a file; the `ask` of `compare` and `depth_curves`.

    A kept answer is used only for the same scorer, query and passages in the same order; otherwise
    the scorer is called. The file is an SQLite database in which each answer is one transaction, so
    a run may be killed at any time, and several runs may share the file.

    Args:
        path: The file; created if it does not exist.
        identities: Scorer name to a text of everything that affects its scores and times; see
            `Configuration.identity`.

    Attributes:
        reused: Scorer name to the number of its answers, with their times, from an earlier run.

    Raises:
        InvalidInputError: The file cannot be opened or is not such a file.
    """

    def __init__(self, path: Path, identities: Mapping[str, str]) -> None:
        self.reused: Counter[str] = Counter()
        self._met: set[tuple[str, str]] = set()
        self._scorers = {name: _digest([text]) for name, text in identities.items()}
        self._path = path
        with self._explained():
            self._database = _opened(path)

    def __call__(self, name: str, score: ScoreFunction, query: str, passages: list[str]) -> Answer:
        """Returns the kept answer; if there is none, calls the scorer and keeps its answer.

        Raises:
            InvalidInputError: The scorer does not return one score per passage, or the file can no
                longer be read or written.
        """
        key = (self._scorers[name], _digest([query, *passages]))
        with self._explained():
            row = self._database.execute(
                "SELECT scores, seconds, cut, read FROM answers WHERE scorer = ? AND request = ?",
                key,
            ).fetchone()
        if row is not None and passages and key not in self._met:
            self.reused[name] += 1
        self._met.add(key)
        if row is not None:
            read = tuple(json.loads(row[3] or "[]"))
            return Answer(np.frombuffer(row[0], dtype="<f8").tolist(), row[1], row[2], read)
        answer = timed_answer(name, score, query, passages)
        scores = np.array(answer.scores, dtype="<f8").tobytes()
        with self._explained():
            self._database.execute(
                "INSERT OR REPLACE INTO answers (scorer, request, scores, seconds, cut, read) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (*key, scores, answer.seconds, answer.cut, json.dumps(answer.read)),
            )
        return answer

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            message = (
                f"{self._path} cannot keep scores ({error}). Give the name of a new file in a "
                "folder that exists and may be written to, on a disk with room, or the file of an "
                "earlier run."
            )
            raise InvalidInputError(message) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=60, isolation_level=None)  # each write commits
    try:
        if database.execute("SELECT name FROM sqlite_master").fetchone() is None:
            database.execute(_TABLE)
        columns = {row[1] for row in database.execute("PRAGMA table_info(answers)")}
        if not columns >= {"scorer", "request", "scores", "seconds"}:
            message = "it is the database of another program"
            raise sqlite3.DatabaseError(message)
        for name, kind in (("cut", "INTEGER"), ("read", "TEXT")):
            if name not in columns:  # a file from an older version
                database.execute(f"ALTER TABLE answers ADD COLUMN {name} {kind}")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _digest(texts: Sequence[str]) -> str:
    """SHA-256 over texts and their lengths."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()
