"""Digests of large files are kept: what is read again, and what a kept digest cannot see."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from transformers import BertForSequenceClassification

from rerank_plugins.models import known_digests
from rerank_plugins.models.known_digests import known_digest
from tests.tiny_models import fixed_seed, save_tiny_cross_encoder, tiny_config

SIZE = 1_100_000
TWO_STARTS = """
import sys
from pathlib import Path
from rerank_plugins import CrossEncoderScorer

opened = []

def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".safetensors"):
        opened.append(arguments[0])

def start():
    opened.clear()
    with CrossEncoderScorer(sys.argv[1], backend="openvino") as scorer:
        print(scorer.score("red fox", ["the fox"])[0], scorer.identity.model, len(opened))

start()
sys.addaudithook(watch)
start()
Path(sys.argv[1], "model.safetensors").touch()
start()
start()
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of digests in an empty cache for this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rerank-plugins" / "digests"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "weights"
    file.write_bytes(b"a" * SIZE)
    return file


def digest_of(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def rewrite(file: Path) -> None:
    """Other bytes in the same file, as many, and with the old modification time."""
    before = file.stat()
    with file.open("r+b") as stream:
        stream.write(b"b" * SIZE)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_ino == before.st_ino


def add(file: Path) -> None:
    before = file.stat()
    with file.open("ab") as stream:
        stream.write(b"b")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def rewrite_a_nanosecond_later(file: Path) -> None:
    rewrite(file)
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))


def replace(file: Path) -> None:
    other = file.with_name("other")
    shutil.copy2(file, other)
    rewrite(other)
    other.replace(file)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("change", [add, rewrite_a_nanosecond_later, replace])
def test_another_size_time_or_inode_is_read_again(
    file: Path, change: Callable[[Path], None]
) -> None:
    before = known_digest(file)
    assert before == digest_of(file)
    change(file)
    assert known_digest(file) == digest_of(file) != before


@pytest.mark.usefixtures("cache")
def test_another_path_is_read_by_itself(file: Path) -> None:
    known_digest(file)
    other = file.with_name("other")
    shutil.copy2(file, other)
    rewrite(other)
    assert known_digest(other) == digest_of(other) != known_digest(file)


def test_a_rewrite_that_restores_path_inode_size_and_time_is_not_seen(
    file: Path, cache: Path
) -> None:
    """The limit that docs/backends.md states."""
    before = known_digest(file)
    rewrite(file)
    assert known_digest(file) == before != digest_of(file)
    shutil.rmtree(cache)
    assert known_digest(file) == digest_of(file)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"sha256": "0"}', b"\xff", '{"sha256": "0", "path": "elsewhere"}']
)
def test_a_damaged_entry_is_made_anew(file: Path, cache: Path, content: str | bytes) -> None:
    known_digest(file)
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(content.encode() if isinstance(content, str) else content)
    assert known_digest(file) == digest_of(file)
    assert entry.read_bytes() == whole


def test_a_cache_that_cannot_be_written_or_read_costs_reading_the_file(
    file: Path, cache: Path
) -> None:
    cache.parent.mkdir(parents=True)
    cache.touch()  # no folder
    for change in (rewrite, rewrite):
        assert known_digest(file) == digest_of(file)
        change(file)


def test_a_small_file_is_always_read(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert known_digest(tmp_path / "config.json") == digest_of(tmp_path / "config.json")
    assert not cache.exists()


def test_entries_of_two_months_ago_are_removed_when_one_is_added(file: Path, cache: Path) -> None:
    known_digest(file)
    (old,) = cache.iterdir()
    then = old.stat().st_mtime - known_digests._KEPT_SECONDS - 1
    os.utime(old, (then, then))
    other = file.with_name("other")
    shutil.copy2(file, other)
    known_digest(other)
    (entry,) = cache.iterdir()
    assert json.loads(entry.read_text())["path"] == str(other)


def test_a_second_start_reads_no_weights_to_recognise_the_model(
    tmp_path: Path, cache: Path
) -> None:
    save_tiny_cross_encoder(tmp_path / "model")
    with fixed_seed():
        model = BertForSequenceClassification(tiny_config(intermediate_size=4096))
    model.save_pretrained(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, "-c", TWO_STARTS, str(tmp_path / "model")],
        capture_output=True,
        text=True,
        check=True,
    )
    starts = [line.split() for line in done.stdout.splitlines()]
    assert len({(score, digest) for score, digest, _ in starts}) == 1
    _, second, touched, again = (int(opened) for _, _, opened in starts)
    assert again == second  # opened to be run
    assert touched == second + 1  # and once more for its digest, which is the old one
    assert len(list(cache.iterdir())) == 1
