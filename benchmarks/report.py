"""The report: a heading that names machine and versions, and one section for each benchmark."""

import platform
import re
from importlib.metadata import version

from benchmarks.machine import machine

PACKAGES = ("sentence-transformers", "transformers", "torch", "onnxruntime", "openvino", "numpy")


def heading() -> str:
    """What all sections share."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        "# Benchmarks\n\nCommand: `make bench`; one section: `python -m benchmarks NAME`. The "
        "embedded model's weights in every way. Ways that are compared are measured one after the "
        f"other in every round.\n\nMachine: {machine()}. "
        f"Python {platform.python_version()}, {versions}."
    )


def with_section(report: str, section: str) -> str:
    """The report with a section in place of the one of the same heading, or at its end."""
    title = section.partition("\n")[0]
    parts = re.split(r"^(?=## )", report, flags=re.MULTILINE)
    parts = [section + "\n\n" if part.startswith(f"{title}\n") else part for part in parts]
    if section + "\n\n" not in parts:
        parts[-1] = parts[-1].rstrip("\n") + "\n\n"
        parts.append(section)
    return "".join(parts).rstrip("\n") + "\n"


def with_heading(report: str) -> str:
    """The report under the heading of this machine."""
    sections = re.split(r"^(?=## )", report, maxsplit=1, flags=re.MULTILINE)[1:]
    return "\n\n".join([heading(), *sections])
