"""The machine, versions and command behind a report's figures."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rerank_plugins.process.quota import processors
from rerank_plugins.process.versions import installed_versions

RUNTIME = (
    "rerank-plugins",
    "numpy",
    "tokenizers",
    "onnxruntime",
    "openvino",
    "nncf",
    "jax",
    "torch",
    "transformers",
    "sentence-transformers",
)
"""Packages that affect scores and times."""

_MEASURING = ("bm25s", "ir-measures", "ir-datasets", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Environment:
    """Where and how figures were measured.

    Attributes:
        command: The command that was typed.
        measured: When the report was made, ISO 8601 in UTC.
        system: The operating system and its version.
        processor: The processor's name.
        cores: The number of cores that this process may use.
        python: Python's version.
        packages: Installed package to its version.
    """

    command: str
    measured: str
    system: str
    processor: str
    cores: int
    python: str
    packages: dict[str, str]


def current_environment(command: str) -> Environment:
    """Returns this process's environment."""
    return Environment(
        command=command,
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
        system=f"{platform.system()} {platform.release()}",
        processor=processor(),
        cores=processors(),
        python=platform.python_version(),
        packages=installed_versions((*RUNTIME, *_MEASURING)),
    )


def processor() -> str:
    """The processor's brand name, or its architecture if the system does not report it."""
    details = Path("/proc/cpuinfo")
    if details.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", details.read_text(), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()
