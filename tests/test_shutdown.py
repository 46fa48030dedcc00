"""A process that never closed its scorer ends without a word."""

import subprocess
import sys
from pathlib import Path

import pytest

FORGOTTEN = """
import sys
from rerank_plugins import CrossEncoderScorer

scorer = CrossEncoderScorer(sys.argv[1])
scorer.score("red fox", ["the fox"])
"""
COLLECTED_AT_EXIT = """
import atexit, gc, sys, time
from rerank_plugins import CrossEncoderScorer

class Owner:
    pass

def collect():
    gc.collect()
    time.sleep(0.3)  # for the thread that releases what the collector found

def use():
    owner = Owner()
    owner.itself = owner
    owner.scorer = CrossEncoderScorer(sys.argv[1])
    owner.scorer.score("red fox", ["the fox"])

gc.disable()
use()
atexit.register(collect)  # after the scorer exists: what was registered last runs first
"""


@pytest.mark.parametrize("code", [FORGOTTEN, COLLECTED_AT_EXIT], ids=["forgotten", "collected"])
def test_ending_without_close_is_clean(code: str, tiny_model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_model)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0
    assert "rerank" not in done.stderr
    assert "Traceback" not in done.stderr
