"""The user's cache folder: compiled graphs and digests are kept there for later processes."""

from pathlib import Path


def user_cache(name: str) -> Path | None:
    """The folder of that name in this package's cache; `None` if the user has no home folder."""
    from platformdirs import user_cache_path  # only models that are loaded need it

    try:
        return user_cache_path("rerank-plugins") / name
    except RuntimeError:
        return None
