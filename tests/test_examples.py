"""The examples run from the first line to the last, and say nothing but what they print."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.handbook import questions_that_need_a_reranker

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*_rag.py")), ids=lambda path: path.stem)
def test_example(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, check=False, cwd=EXAMPLES
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    _, without, reranked = done.stdout.split("--- with")
    answers = [
        question.answer
        for question in questions_that_need_a_reranker()
        if question.query in done.stdout
    ]
    assert len(answers) == 1
    assert answers[0] not in without
    assert answers[0] in reranked
