"""A lock between processes: held by one, and free once that one is gone."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import Timeout

from rerank_plugins.process.locked import locked

KILLED = """
import os, signal, sys
from pathlib import Path
from rerank_plugins.process.locked import locked

with locked(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_one_at_a_time_has_it_and_its_file_is_gone_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    with locked(file), pytest.raises(Timeout), locked(file, timeout=0):
        pytest.fail("two have the lock")
    with locked(file, timeout=0):
        assert file.exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_leaves_locks_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert file.exists()
    with locked(file, timeout=0):
        pass
    assert list(tmp_path.iterdir()) == []
