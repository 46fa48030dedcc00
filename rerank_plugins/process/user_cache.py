"""The user's cache folder: compiled graphs, texts and digests for later processes."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

_UNUSED_SECONDS = 60 * 24 * 3600


def user_cache(name: str) -> Path | None:
    """The folder of that name in this package's cache; `None` if the user has no home folder."""
    from platformdirs import user_cache_path  # only models that are loaded need it

    try:
        return user_cache_path("rerank-plugins") / name
    except RuntimeError:
        return None


def remove_unused(cache: Path) -> None:
    """Removes the folders of a cache that no process has used for 60 days: use sets their time."""
    limit = time.time() - _UNUSED_SECONDS
    for folder in cache.iterdir():
        with suppress(OSError):
            if folder.is_dir() and folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)
