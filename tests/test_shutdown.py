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
from rerank_plugins.engine import registry

class Owner:
    pass

def collect():
    gc.collect()
    end = time.monotonic() + 60  # for the thread that releases what the collector found
    while registry._models and time.monotonic() < end:
        time.sleep(0.01)
    assert not registry._models

def use():
    owner = Owner()
    owner.itself = owner
    owner.scorer = CrossEncoderScorer(sys.argv[1])
    owner.scorer.score("red fox", ["the fox"])

gc.disable()
use()
atexit.register(collect)  # after the scorer exists: what was registered last runs first
"""
CLOSED_IN_A_CALLBACK = """
import sys
from rerank_plugins import CrossEncoderScorer

scorer = CrossEncoderScorer(sys.argv[1], max_batch_tokens=16)
scorer.warm_up()
first, second = (
    scorer.submit([("fox", f"the fox {number}") for number in range(200)]) for _ in range(2)
)
first.add_done_callback(lambda done: scorer.close())
assert second.result(60).logits.shape == (200,)
"""


@pytest.mark.parametrize(
    "code",
    [FORGOTTEN, COLLECTED_AT_EXIT, CLOSED_IN_A_CALLBACK],
    ids=["forgotten", "collected", "closed in a callback"],
)
def test_ending_without_close_is_clean(code: str, tiny_model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_model)],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0
    assert "rerank" not in done.stderr
    assert "Traceback" not in done.stderr
