"""What files, folders and models are called in what is shown."""

from pathlib import Path


def last_name(path: str | Path) -> str:
    """The last part of a path or a hub id; of `.` and `..` that of the folder that they mean."""
    name = Path(path).name
    return Path(path).resolve().name if name in ("", "..") else name
