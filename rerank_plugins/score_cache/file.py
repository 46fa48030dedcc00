"""Kept scores in a file that processes share: an SQLite database of keys and numbers."""

import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rerank_plugins.score_cache.rows import Kept

_log = logging.getLogger(__name__)

FORM = 0x72726B31
"""Marks a file as one of ours, of this form ("rrk1"); changes with the table below."""

_TABLE = """
CREATE TABLE IF NOT EXISTS scores (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, logit REAL NOT NULL,
    truncated INTEGER, windows INTEGER, start INTEGER, stop INTEGER
)
"""

PAGE = 4096
"""Bytes per page of the database."""

_ROW = 128
"""Bytes that are surely enough for a row and its place in the index."""

_AT_ONCE = 500
"""How many keys one statement looks for."""

_WAIT = 0.05
"""Seconds to wait for another process that writes: others wait to look scores up meanwhile."""

_all: "weakref.WeakSet[ScoreFile]" = weakref.WeakSet()

_in_use = threading.Lock()
"""Held while a file is used, and while the process forks."""


class ScoreFile:
    """Kept scores; used by one thread, and by any number of processes at the same time.

    A file that is damaged, locked, full or not accessible is no error: what cannot be read counts
    as missing, what cannot be written is dropped, and the log has one warning.

    Args:
        path: The file, created when it is first needed; `None` if there is no place for one.
        size: The most bytes that it may have; the oldest scores make room for new ones.
    """

    def __init__(self, path: Path | None, size: int) -> None:
        self._path = path
        self._pages = size // PAGE
        self._database: sqlite3.Connection | None = None
        self._warned = False
        with _in_use:
            _all.add(self)

    def get(self, keys: Sequence[bytes]) -> list[Kept | None]:
        """What is kept under each of some keys; `None` where there is nothing."""
        found: dict[bytes, Kept] = {}
        with self._forgiving():
            database = self._open()
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                rows = database.execute(
                    "SELECT key, logit, truncated, windows, start, stop FROM scores "
                    f"WHERE key IN ({','.join('?' * len(part))})",
                    part,
                )
                found.update((key, Kept(*values)) for key, *values in rows)
        return [found.get(key) for key in keys]

    def put(self, keys: Sequence[bytes], rows: Sequence[Kept], *, again: bool = False) -> bool:
        """Keeps rows under their keys: all of them or, if the process is killed, none.

        Args:
            keys: The keys of n rows.
            rows: The rows.
            again: Whether the caller tries again if another process is writing.

        Returns:
            False if the caller is to try again.
        """
        with self._forgiving():
            try:
                self._write(keys, rows)
            except sqlite3.OperationalError as error:
                if again and error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    return False
                raise
        return True

    def close(self) -> None:
        """Closes the file; a later use opens it again."""
        with _in_use:
            self._close()

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()

    def _write(self, keys: Sequence[bytes], rows: Sequence[Kept]) -> None:
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            self._make_room(database, len(rows))
            database.executemany(
                "INSERT OR IGNORE INTO scores (key, logit, truncated, windows, start, stop) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [(key, *row) for key, row in zip(keys, rows, strict=True)],
            )

    def _make_room(self, database: sqlite3.Connection, count: int) -> None:
        """Removes the oldest scores if there is no room for so many new ones.

        Twice as many go as come, so that a limit lower than before is reached, too. The file itself
        never gets smaller.
        """
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        (free,) = database.execute("PRAGMA freelist_count").fetchone()
        if pages - free + count * _ROW // PAGE + 1 > self._pages:
            database.execute(
                "DELETE FROM scores WHERE number IN "
                "(SELECT number FROM scores ORDER BY number LIMIT ?)",
                (2 * count,),
            )

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = _opened(self._path, self._pages)
        return self._database

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Ends what is done with the database at its first error; one of them is logged."""
        with _in_use, self._ended_by_errors():
            yield

    @contextmanager
    def _ended_by_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._close()  # somebody may put it right, or another file in its place
            if not self._warned:
                self._warned = True
                _log.warning(
                    "The score cache %s cannot be used (%s): pairs are scored as without it. Give "
                    "score_cache a file on a local disk that this user may write, with room; a "
                    "damaged one can be deleted.",
                    self._path,
                    error,
                )


def _opened(path: Path | None, pages: int) -> sqlite3.Connection:
    if path is None:
        message = "this user has no home folder"
        raise OSError(message)
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(
        path,
        timeout=_WAIT,
        isolation_level=None,
        check_same_thread=False,  # `_before_fork` closes it
    )
    try:
        (form,) = database.execute("PRAGMA application_id").fetchone()
        if form != FORM:
            if database.execute("SELECT 1 FROM sqlite_master").fetchone():
                message = "it is the database of another program or another version"
                raise sqlite3.DatabaseError(message)
            database.execute(f"PRAGMA page_size = {PAGE}")
            database.execute(f"PRAGMA application_id = {FORM}")
        database.execute("PRAGMA journal_mode = WAL")  # readers wait for no writer
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA max_page_count = {pages}")
        database.execute(_TABLE)
    except BaseException:
        database.close()
        raise
    return database


def _before_fork() -> None:
    """Closes all files, which are opened again when they are used.

    A child that inherited an open one would share the parent's locks in memory and take none of the
    system's for a connection of its own, so that others remove what it writes.
    """
    _in_use.acquire()
    for file in _all:
        file._close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_in_use.release, after_in_child=_in_use.release
    )
