"""Processes of a user whom the system does not know, without a home, as containers run them."""

import ctypes
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

USER = 12345
_KEEP_CAPABILITIES, _AMBIENT, _RAISE = 8, 47, 2  # of prctl
_READ_ALL = 2  # CAP_DAC_READ_SEARCH: the interpreter may lie in root's own folder

needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="only root can become an unknown user"
)


def run_as_unknown_user(
    code: str, *arguments: object, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs Python code without HOME in a folder of root's; it may read everything.

    Args:
        code: The code.
        arguments: Its arguments.
        folder: The working folder.
        environment: Further variables.
    """
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        preexec_fn=_become_unknown,
        env={**kept, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _become_unknown() -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    bit = 1 << _READ_ALL
    libc.capset(struct.pack("Ii", 0x20080522, 0), struct.pack("6I", bit, bit, bit, 0, 0, 0))
    libc.prctl(_AMBIENT, _RAISE, _READ_ALL, 0, 0)
