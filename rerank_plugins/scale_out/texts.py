"""Texts by id that all processes of a machine share: read once, and mapped into memory."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from filelock import FileLock

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.documents import documents_in, read_queries
from rerank_plugins.formats.lines import packed_or_plain, texts_by_id
from rerank_plugins.models.digests import text_digest
from rerank_plugins.process.user_cache import remove_unused, user_cache
from rerank_plugins.texts.passage import Passage
from rerank_plugins.tokens.pairs import valid_text

_ROWS, _INDEX = "rows.arrow", "index.npy"
_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("header", pa.int32())])
_AT_A_TIME = 10_000


class TextsById:
    """The texts of one file of a corpus folder.

    The first process of a machine that asks for a file writes its texts into the user's cache
    folder; the others wait for it. All of them map what was written into memory, so the texts are
    in memory once, whatever the number of processes, and a process that is started anew has them
    at once. A file that was changed is read again.

    Args:
        folder: The folder.
        name: `corpus.jsonl` or `queries.jsonl`; it may end in .gz.

    Raises:
        InvalidInputError: There is no such file, a line is not an object with an id and a text, two
            texts have the same id, or the cache folder cannot be written.
    """

    def __init__(self, folder: str, name: str) -> None:
        found = packed_or_plain(Path(folder) / name)
        if found is None:
            message = (
                f"{folder} has no {name}. Give a folder with corpus.jsonl and queries.jsonl (each "
                "may end in .gz), by a path that every machine of the cluster can read."
            )
            raise InvalidInputError(message)
        self.file = found
        stored = _stored(found, is_corpus=name.startswith("corpus"))
        self._ids, self._texts, self._headers = _columns(stored)
        self._hashes, self._places = np.load(stored / _INDEX, mmap_mode="r")

    def get(self, id: str) -> str | None:
        """The text of an id; `None` if the file has none."""
        hash = _hash(id)
        first, last = (np.searchsorted(self._hashes, hash, side) for side in ("left", "right"))
        for place in self._places[first:last].tolist():
            if self._ids[place].as_py() == id:
                text, length = self._texts[place].as_py(), self._headers[place].as_py()
                return Passage(text[length:], header=text[:length]) if length else str(text)
        return None


def _stored(file: Path, *, is_corpus: bool) -> Path:
    """The folder with the texts of a file, written now unless another process has done so."""
    state = file.stat()
    known_by = [str(file.resolve()), str(state.st_size), str(state.st_mtime_ns)]
    cache = user_cache("texts") or Path(tempfile.gettempdir()) / "rerank-plugins-texts"
    folder = cache / text_digest(known_by)[:32]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            for left in cache.glob(f"{folder.name}.*.partial"):  # left by a killed process
                shutil.rmtree(left, ignore_errors=True)
            if folder.is_dir():
                with suppress(OSError):  # another user's
                    os.utime(folder)
            else:
                remove_unused(cache)
                partial = Path(tempfile.mkdtemp(".partial", f"{folder.name}.", cache))
                try:
                    _write(_texts_in(file, is_corpus=is_corpus), partial, file)
                    partial.replace(folder)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        message = (
            f"The texts of {file} cannot be kept in {cache}: {error.strerror or error}. Free some "
            "space there, or have the cache elsewhere (XDG_CACHE_HOME)."
        )
        raise InvalidInputError(message) from error
    return folder


def _texts_in(file: Path, *, is_corpus: bool) -> Iterable[tuple[str, str]]:
    return documents_in(file) if is_corpus else read_queries(file).items()


def _write(texts: Iterable[tuple[str, str]], folder: Path, file: Path) -> None:
    """Writes texts in their order, and where each id is found: by its hash, in order of hashes."""
    hashes: list[int] = []
    rows = iter(texts)
    with pa.OSFile(str(folder / _ROWS), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        while part := list(islice(rows, _AT_A_TIME)):
            hashes += [_hash(id) for id, _ in part]
            ids, kept = zip(*part, strict=True)
            for id in ids:
                _check_unicode(id, file)
            headers = [len(Passage.of(text).header) for text in kept]
            texts_only = [valid_text(text) for text in kept]
            columns = [pa.array(ids), pa.array(texts_only), pa.array(headers, pa.int32())]
            writer.write_batch(pa.record_batch(columns, _SCHEMA))
    found = np.array(hashes, np.uint64)
    order = np.argsort(found, kind="stable")
    alike = np.flatnonzero(found[order][1:] == found[order][:-1])
    if alike.size:
        _check_same(folder, zip(order[alike], order[alike + 1], strict=True), file)
    np.save(folder / _INDEX, np.stack([found[order], order.astype(np.uint64)]))


def _check_unicode(id: str, file: Path) -> None:
    if valid_text(id) != id:
        message = (
            f"{file}: the id {id!r} has half of a surrogate pair. Give documents and queries ids "
            "in valid Unicode."
        )
        raise InvalidInputError(message)


def _check_same(folder: Path, rows: Iterable[tuple[int, int]], file: Path) -> None:
    """Refuses an id with two texts.

    Args:
        folder: Where the texts are.
        rows: Places of two rows each, whose ids have the same hash.
        file: The file that they were read from.
    """
    ids, texts, _ = _columns(folder)
    pairs = ((ids[place].as_py(), texts[place].as_py()) for two in rows for place in two)
    texts_by_id(pairs, str(file))


def _columns(folder: Path) -> list[pa.ChunkedArray]:
    """Ids, texts and the lengths of their headers, mapped into memory."""
    columns: list[pa.ChunkedArray] = (
        pa.ipc.open_file(pa.memory_map(str(folder / _ROWS))).read_all().columns
    )
    return columns


def _hash(id: str) -> Any:
    digest = hashlib.blake2b(id.encode(errors="surrogatepass"), digest_size=8).digest()
    return np.frombuffer(digest, np.uint64)[0]
