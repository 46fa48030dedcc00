"""A lock between processes, named by a file."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(file: Path, timeout: float = -1) -> Iterator[None]:
    """Holds the lock of a file, which exists only while the lock is held.

    The operating system frees the lock when its process ends, however it ends. A file that is left
    by a killed process locks nothing.

    Args:
        file: The file of the lock.
        timeout: Seconds to wait for a lock that another process holds; negative for no limit.

    Raises:
        filelock.Timeout: Another process holds the lock.
        OSError: The file cannot be made.
    """
    from filelock import FileLock

    with FileLock(file, timeout=timeout):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps a file that is open
                file.unlink()
