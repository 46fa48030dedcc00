"""What the Dockerfile runs, in a folder in place of an image: `make install-lines`.

The lines install into a fresh environment. The server then starts as nobody, without capabilities,
where nothing can be written, and is asked what the Dockerfile's health check asks.
"""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import ROOT
from tests.test_dockerfile import instructions, is_sent, last

PYTHON = Path("/usr/bin/python3")  # others may lie where nobody cannot look
SERVED = """
mount --make-rprivate /
for each in / /tmp; do
    if mountpoint -q $each; then mount -o remount,ro,bind $each; fi
done
if touch "$FOLDER/anything" 2> /dev/null; then echo "this can be written"; exit 1; fi
nobody() {
    exec env -i PATH="$FOLDER/venv/bin:/usr/bin:/bin" setpriv --reuid 65534 --regid 65534 \
        --clear-groups --no-new-privs --bounding-set=-all "$@"
}
(nobody $SERVE) &
for second in $(seq 120); do
    sleep 1
    if (nobody python -c "$CHECK") 2> /dev/null; then
        kill -TERM $!
        wait $!
        exit
    fi
done
exit 1
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in which nobody may look."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.skipif(
    os.geteuid() != 0 or not PYTHON.exists(), reason="needs root and Debian's Python"
)
def test_the_lines_install_a_server_that_runs_as_nobody_and_writes_nothing(folder: Path) -> None:
    for path in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines():
        if is_sent(path):
            target = folder / "source" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target)
    tools = folder / "tools"
    tools.mkdir()
    (tools / "python").symlink_to(PYTHON)
    (tools / "pip").write_text(f'#!/bin/sh\nexec {sys.executable} -m pip "$@"\n', encoding="utf-8")
    (tools / "pip").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    for name, line in instructions():
        if name == "RUN":
            here = line.replace("/venv", f"{folder}/venv")
            subprocess.run(here, shell=True, cwd=folder / "source", env=environment, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    serve = [*json.loads(last("ENTRYPOINT")), *json.loads(last("CMD")), "--port", port]
    check = json.loads(last("HEALTHCHECK").partition(" CMD ")[2])[2].replace("8080", port)
    given = {"FOLDER": str(folder), "SERVE": shlex.join(serve), "CHECK": check}
    command = ["unshare", "--mount", "bash", "-c", SERVED]
    subprocess.run(command, env={**os.environ, **given}, cwd="/", check=True)
