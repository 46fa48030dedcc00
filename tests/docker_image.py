"""The image of the Dockerfile, built and run by the lines of docs/server.md: `make install-lines`.

Skipped where no docker daemon answers. tests/dockerfile_lines.py needs none.
"""

import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.pages import ROOT
from tests.test_dockerfile import PAGE

NAME = "rerank-install-lines"
PATIENCE = 120


def why_no_image() -> str | None:
    """Why no image can be built here; `None` if one can."""
    if shutil.which("docker") is None:
        return "there is no docker here"
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"docker builds no image here: {done.stderr.strip()}"


def on_page(command: str) -> list[str]:
    """The words of the page's line that begins with a command, with an image's name of our own."""
    (line,) = re.findall(rf"^{command} (?:.*\\\n)*.*", PAGE, re.MULTILINE)
    words = shlex.split(line.replace("\\\n", " "))
    return [NAME if word == "rerank" else word for word in words]


def soon(happened: Callable[[], bool]) -> None:
    """Waits for the server to get there; until then it may not answer at all."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if happened():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < end
        time.sleep(0.5)


def test_the_image_answers_as_nobody_and_stops_when_it_is_told_to(tmp_path: Path) -> None:
    if reason := why_no_image():
        pytest.skip(reason)
    subprocess.run(on_page("docker build"), cwd=ROOT, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / "tokens.txt").write_text("secret\n", encoding="utf-8")
    docker, run, *words = on_page("docker run")
    options = [word.replace("127.0.0.1:8080:", f"{address}:") for word in words]
    container = subprocess.Popen([docker, run, "--name", NAME, *options], cwd=tmp_path)
    try:
        url = f"http://{address}"
        soon(lambda: httpx.get(f"{url}/health").status_code == 200)
        body = {"query": "red fox", "texts": ["a dog", "the red fox"]}
        rows = httpx.post(f"{url}/rerank", json=body, headers={"authorization": "secret"}).json()
        assert [row["index"] for row in rows] == [1, 0]
        assert httpx.post(f"{url}/rerank", json=body).status_code == 401
        state = [docker, "inspect", "--format", "{{.State.Health.Status}} {{.Config.User}}", NAME]
        wanted = "healthy 65534:65534"
        soon(lambda: subprocess.check_output(state, text=True).strip() == wanted)
        container.send_signal(signal.SIGTERM)
        assert container.wait(PATIENCE) == 0
    finally:
        subprocess.run([docker, "rm", "--force", NAME], capture_output=True, check=False)
        container.wait()
