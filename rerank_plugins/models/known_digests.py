"""Digests of large files, kept in the user's cache so that a start reads weights only once."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from rerank_plugins.models.digests import file_digest, text_digest
from rerank_plugins.process.user_cache import user_cache

_LARGE = 1_000_000
"""Bytes from which looking a digest up is worth it."""

_KEPT_SECONDS = 60 * 24 * 3600


def known_digest(file: Path) -> str:
    """The sha256 of a file, which is read only if it seems to have changed since the last time.

    Path, inode, size and modification time tell. A rewrite that leaves all four as they were is
    not noticed. Without a cache, or with a damaged one, the file is read.
    """
    path = file.resolve()
    state = _state(path)
    if state["size"] < _LARGE or (folder := user_cache("digests")) is None:
        return file_digest(path)
    entry = folder / f"{text_digest([str(path)])[:32]}.json"
    digest = _kept(entry, state)
    if digest is None:
        digest = file_digest(path)
        if _state(path) == state:  # nobody wrote to the file while it was read
            _keep(entry, {**state, "sha256": digest})
    return digest


def _state(path: Path) -> dict[str, Any]:
    stat = path.stat()
    return {
        "path": str(path),
        "inode": stat.st_ino,
        "size": stat.st_size,
        "modified_ns": stat.st_mtime_ns,
    }


def _kept(entry: Path, state: dict[str, Any]) -> str | None:
    """The digest in an entry, if the entry is whole and about the file in this state."""
    try:
        content = json.loads(entry.read_text(encoding="utf-8"))
        digest = str(content.pop("sha256"))
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None
    return digest if content == state else None


def _keep(entry: Path, content: dict[str, Any]) -> None:
    """Writes an entry, if the cache can be written, and removes those of long ago."""
    limit = time.time() - _KEPT_SECONDS
    with suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text(json.dumps(content), encoding="utf-8")
        for other in entry.parent.iterdir():
            if other.stat().st_mtime < limit:
                other.unlink()
