"""A virtual environment for a peer, made once and kept."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.catalogue import Environment

ROOT = Path(__file__).parent.parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
ACCELERATOR_PACKAGES = ("nvidia-", "cuda-", "triton")


class EnvironmentFailedError(RuntimeError):
    """The environment cannot be made; the message is the reason in one line."""


def python_of(environment: Environment | None, folder: Path) -> Path:
    """The interpreter of the environment under the folder, made now if need be.

    Raises:
        EnvironmentFailedError: Its requirements do not resolve, or not to this repository's torch
            built for processors.
    """
    if environment is None:
        return Path(sys.executable)
    home = folder / environment.name
    python = home / "bin" / "python"
    marker = home / "complete.txt"
    digest = _digest(environment)
    if marker.is_file() and marker.read_text(encoding="utf-8") == digest:
        return python
    _run([sys.executable, "-m", "venv", "--clear", str(home)])
    resolved = _resolve(python, environment, home)
    wrong = wrong_packages(resolved, _torch_version())
    if wrong:
        message = f"its requirements resolve to {', '.join(wrong)}"
        raise EnvironmentFailedError(message)
    listed = home / "resolved.txt"
    pins = "".join(f"{name}=={version}\n" for name, version in sorted(resolved.items()))
    listed.write_text(pins, encoding="utf-8")
    quick = ["--quiet", "--no-deps", "--no-compile"]  # modules are compiled when imported
    _run([str(python), "-m", "pip", "install", *quick, "-r", str(listed)])
    marker.write_text(digest, encoding="utf-8")
    return python


def wrong_packages(resolved: dict[str, str], torch: str) -> list[str]:
    """Packages that would make it another torch than the one everything is measured with."""
    return [
        f"{name} {version}"
        for name, version in sorted(resolved.items())
        if name.startswith(ACCELERATOR_PACKAGES)
        or (name == "torch" and version.partition("+")[0] != torch)
    ]


def _resolve(python: Path, environment: Environment, home: Path) -> dict[str, str]:
    """Version by name of all that pip would install."""
    report = home / "resolution.json"
    own = home / "constraints.txt"
    own.write_text(f"torch=={_torch_version()}\n", encoding="utf-8")
    command = [str(python), "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--report", str(report), "-c", str(own)]
    if environment.constraints:
        command += ["-c", str(CONSTRAINTS)]
    _run([*command, *environment.requirements])
    content = json.loads(report.read_text(encoding="utf-8"))
    found = [item["metadata"] for item in content["install"]]
    versions = {package["name"].lower(): package["version"] for package in found}
    return {name: number for name, number in versions.items() if name not in environment.without}


def _torch_version() -> str:
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("torch==") for line in lines if line.startswith("torch=="))


def _digest(environment: Environment) -> str:
    wanted = [*environment.requirements, *environment.without, sys.version, _torch_version()]
    if environment.constraints:
        wanted.append(CONSTRAINTS.read_text(encoding="utf-8"))
    return hashlib.sha256("\n".join(wanted).encode()).hexdigest()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        lines = errors or done.stderr.splitlines() or [f"exit status {done.returncode}"]
        raise EnvironmentFailedError(lines[0].removeprefix("ERROR: "))
