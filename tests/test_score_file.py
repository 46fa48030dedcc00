"""The file of a score cache: shared, killed, damaged, locked, full."""

import hashlib
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rerank_plugins.score_cache.file import ScoreFile
from rerank_plugins.score_cache.keys import pair_keys
from rerank_plugins.score_cache.rows import Kept
from rerank_plugins.texts.passage import Passage

SIZE = 10_000_000

WRITER = """
import sys
import time
from pathlib import Path
from rerank_plugins.score_cache.file import ScoreFile
from tests.test_score_file import keys, rows

print("ready", flush=True)
sys.stdin.readline()
name, first, count = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
file = ScoreFile(Path(sys.argv[1]), 10_000_000)
for start in range(first, first + count, 50):
    while not file.put(keys(start, 50), rows(start, 50), again=True):
        pass
    print(start, flush=True)
    time.sleep(0.005)  # a model takes its time
"""


def keys(first: int, count: int) -> list[bytes]:
    return [
        hashlib.blake2b(str(at).encode(), digest_size=16).digest()
        for at in range(first, first + count)
    ]


def rows(first: int, count: int) -> list[Kept]:
    return [Kept(float(at), at % 2, 1, 0, at) for at in range(first, first + count)]


def writer(path: Path, first: int, count: int) -> "subprocess.Popen[str]":
    """Another process that writes rows into the file, once it is told to."""
    command = [sys.executable, "-c", WRITER, str(path), "w", str(first), str(count)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "scores.sqlite"


def test_what_is_put_is_got_again_and_after_closing_too(path: Path) -> None:
    file = ScoreFile(path, SIZE)
    assert file.get(keys(0, 3)) == [None] * 3
    kept = [Kept(0.1, 0, None, None, None), Kept(-2.5, 1, 3, 10, 20), Kept(7.0, *[None] * 4)]
    file.put(keys(0, 3), kept)
    for _ in range(2):
        assert file.get(keys(1, 3)) == [kept[1], kept[2], None]
        file.close()


def test_two_processes_write_at_the_same_time_and_nothing_is_lost(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    processes = [writer(path, first, 2000) for first in (0, 1000)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, "")
    file = ScoreFile(path, SIZE)
    assert file.get(keys(0, 3000)) == rows(0, 3000)
    assert not warnings(caplog)
    file.close()


def test_a_killed_writer_leaves_a_file_that_goes_on(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = writer(path, 0, 1_000_000)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    written = [int(process.stdout.readline()) for _ in range(5)][-1]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    file = ScoreFile(path, SIZE)
    assert file.get(keys(0, written)) == rows(0, written)
    whole = [row is not None for row in file.get(keys(0, 100_000))]
    assert sum(whole) % 50 == 0  # each transaction whole or not at all
    file.put(keys(2_000_000, 10), rows(2_000_000, 10))
    assert file.get(keys(2_000_000, 10)) == rows(2_000_000, 10)
    assert not warnings(caplog)
    file.close()


def damaged(path: Path) -> None:
    file = ScoreFile(path, SIZE)
    file.put(keys(0, 5000), rows(0, 5000))
    file.close()
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)


def no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all, but a text of its own " * 100)


def of_another_program(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE scores (name TEXT)")
    database.close()


def read_only(path: Path) -> None:
    file = ScoreFile(path, SIZE)
    file.put(keys(0, 5), rows(0, 5))
    file.close()
    content = bytearray(path.read_bytes())
    content[18] = 9  # a form that SQLite reads and never writes, whoever the user is
    path.write_bytes(content)


def in_no_folder(path: Path) -> None:
    path.parent.write_text("a file where the folder should be")


UNUSABLE = [damaged, no_database, of_another_program, read_only, in_no_folder]


@pytest.mark.parametrize("spoil", UNUSABLE)
def test_a_file_that_cannot_be_used_is_a_miss_and_one_warning(
    spoil: Callable[[Path], None], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(path)
    before = path.read_bytes() if path.exists() else None
    file = ScoreFile(path, SIZE)
    for _ in range(3):
        file.put(keys(6000, 20), rows(6000, 20))
        assert file.get(keys(6000, 20)) == [None] * 20
    file.close()
    (said,) = warnings(caplog)
    assert str(path) in said
    assert "pairs are scored as without it. Give score_cache a file" in said
    assert (path.read_bytes() if path.exists() else None) == before


def test_a_file_in_no_home_is_a_miss_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    file = ScoreFile(None, SIZE)
    file.put(keys(0, 2), rows(0, 2))
    assert file.get(keys(0, 2)) == [None] * 2
    (said,) = warnings(caplog)
    assert "this user has no home folder" in said


def test_a_locked_file_is_a_miss_until_it_is_free(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = ScoreFile(path, SIZE)
    file.put(keys(0, 2), rows(0, 2))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert file.get(keys(0, 2)) == rows(0, 2)  # a writer locks no reader out
    assert not file.put(keys(2, 2), rows(2, 2), again=True)
    assert not warnings(caplog)
    assert file.put(keys(2, 2), rows(2, 2))  # there is nothing more to do
    other.execute("ROLLBACK")
    (said,) = warnings(caplog)
    assert "database is locked" in said
    assert file.get(keys(2, 2)) == [None] * 2
    file.put(keys(2, 2), rows(2, 2))
    assert file.get(keys(0, 4)) == rows(0, 4)
    other.close()
    file.close()


def test_a_full_disk_is_a_miss_and_one_warning(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
    ignore = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code = limit + ignore + "import logging; logging.basicConfig()\n" + WRITER
    process = subprocess.run(
        [sys.executable, "-c", code, str(path), "w", "0", "5000"],
        capture_output=True,
        text=True,
        input="go\n",
        check=True,
    )
    assert process.stderr.count("WARNING") == 1
    assert "cannot be used (" in process.stderr
    file = ScoreFile(path, SIZE)
    file.put(keys(9000, 3), rows(9000, 3))  # there is room again
    assert file.get(keys(9000, 3)) == rows(9000, 3)
    assert not warnings(caplog)
    file.close()


def test_the_oldest_scores_make_room_and_the_file_keeps_its_size(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = ScoreFile(path, 1_000_000)
    for start in range(0, 40_000, 1000):
        file.put(keys(start, 1000), rows(start, 1000))
        assert path.stat().st_size <= 1_000_000
    kept = [row is not None for row in file.get(keys(0, 40_000))]
    assert not any(kept[:20_000])
    assert all(kept[-5000:])
    assert kept == sorted(kept)  # the oldest went first
    assert not warnings(caplog)
    file.close()


def test_a_lower_limit_is_reached_as_the_file_is_used(path: Path) -> None:
    file = ScoreFile(path, SIZE)
    for start in range(0, 40_000, 1000):
        file.put(keys(start, 1000), rows(start, 1000))
    file.close()
    size = path.stat().st_size
    assert size > 2_000_000
    file = ScoreFile(path, 1_000_000)
    for start in range(50_000, 90_000, 1000):
        file.put(keys(start, 1000), rows(start, 1000))
    kept = sum(row is not None for row in file.get(keys(0, 90_000)))
    assert kept < 20_000
    file.close()
    assert path.stat().st_size == size


def test_a_deleted_file_is_made_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = ScoreFile(path, SIZE)
    first.put(keys(0, 2), rows(0, 2))
    first.close()
    path.unlink()
    again = ScoreFile(path, SIZE)
    assert again.get(keys(0, 2)) == [None] * 2
    again.put(keys(0, 2), rows(0, 2))
    assert again.get(keys(0, 2)) == rows(0, 2)
    again.close()
    assert not warnings(caplog)


def test_a_key_is_of_both_texts_the_header_and_the_scorer() -> None:
    pairs = [
        *(("a", "bc"), ("ab", "c"), ("a", "b"), ("", "abc"), ("abc", "")),
        *(("a", Passage("c", "b")), ("a", Passage("", "bc"))),
        ("a", "b\udcff"),
    ]
    found = [*pair_keys("one", pairs), *pair_keys("other", pairs)]
    assert len(set(found)) == 2 * len(pairs)
    assert pair_keys("one", pairs) == found[: len(pairs)]
    assert pair_keys("one", [("a", Passage("bc"))]) == found[:1]
