"""The service of docs/service.md, run by uvicorn as the page says."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.engines import until
from tests.pages import ROOT, python_blocks
from tests.servers import running

BODY = {"query": "red fox", "passages": ["a dog", "the red fox"]}
MANY = {"query": "red fox", "passages": [f"{n} {'fox ' * 40}" for n in range(800)]}
LONG = {"query": "red fox", "passages": [f"{n} {'fox ' * 500}" for n in range(300)]}


@contextmanager
def serving(folder: Path, **changed: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The page's service with other values in it; its address, and its process."""
    page = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    ((code, _),) = python_blocks(Path("docs/service.md"))
    for name, value in changed.items():
        code, times = re.subn(rf"\b{name}=\w+", f"{name}={value}", code)
        assert times == 1
    (folder / "service.py").write_text(code, encoding="utf-8")
    (command,) = re.findall(r"^uvicorn .*$", page, re.MULTILINE)
    path = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    with running([*command.split(), "--port", "0"], folder, PYTHONPATH=path) as found:
        yield found


def waiting(url: str) -> int:
    """The pairs that wait; the readiness route answers at once, whatever is queued."""
    answer = httpx.get(f"{url}/ready", timeout=5)
    assert answer.status_code == (200 if answer.json()["pairs"] < 1000 else 503)
    return int(answer.json()["pairs"])


def test_it_ranks_is_ready_beside_traffic_and_answers_what_is_open_when_it_ends(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, timeout="100") as (url, process), ThreadPoolExecutor(2) as pool:
        answer = httpx.post(f"{url}/rerank", json=BODY, timeout=60)
        assert [row["index"] for row in answer.json()] == [1, 0]
        assert waiting(url) == 0
        answers = [
            pool.submit(httpx.post, f"{url}/rerank", json=MANY, timeout=100) for _ in range(2)
        ]
        until(lambda: waiting(url) >= 1000)  # so that both are there
        process.send_signal(signal.SIGTERM)
        assert [len(answer.result().json()) for answer in answers] == [800] * 2
        assert process.wait(60) in (0, -signal.SIGTERM)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/ready")


def test_a_full_queue_is_429(tmp_path: Path) -> None:
    with (
        serving(tmp_path, timeout="100", max_queue_pairs="100") as (url, _),
        ThreadPoolExecutor(1) as pool,
    ):
        open_one = pool.submit(httpx.post, f"{url}/rerank", json=MANY, timeout=100)
        until(lambda: waiting(url) > 0)
        refused = httpx.post(f"{url}/rerank", json=MANY, timeout=60)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert "The queue of 'embedded' is full" in refused.json()["detail"]
        assert open_one.result().status_code == 200


def test_a_late_answer_is_504(tmp_path: Path) -> None:
    with serving(tmp_path, timeout="1") as (url, _):
        late = httpx.post(f"{url}/rerank", json=LONG, timeout=60)
        assert (late.status_code, "1" in late.json()["detail"]) == (504, True)
        # A second may be short for a batch that runs, and for a busy machine.
        until(lambda: httpx.post(f"{url}/rerank", json=BODY, timeout=60).status_code == 200)
