"""The report: a heading, and one section per benchmark, which names machine and versions."""

import platform
import re

from benchmarks.machine import machine
from rerank_plugins.process.versions import installed_versions

PACKAGES = (
    "sentence-transformers",
    "transformers",
    "torch",
    "onnxruntime",
    "openvino",
    "jax",
    "numpy",
)

HEADING = """# Benchmarks

Command: `make bench`, or `python -m benchmarks NAME` for one section. All ways of scoring use the
embedded model's weights. Ways that are compared take turns in every round."""


def measured_here(section: str, day: str) -> str:
    """Adds a line with the day, the machine and the versions under a section's title."""
    title, _, rest = section.partition("\n")
    return f"{title}\n\n{where_and_with_what(day)}\n{rest}"


def where_and_with_what(day: str) -> str:
    """The day, the machine, and the versions of the packages."""
    versions = [f"{name} {number}" for name, number in installed_versions(PACKAGES).items()]
    return f"{day}, {machine()}. Python {platform.python_version()}, {', '.join(versions)}."


def with_section(report: str, section: str) -> str:
    """Replaces the section with the same heading in the report, or adds the section at the end."""
    title = section.partition("\n")[0]
    parts = re.split(r"^(?=## )", report, flags=re.MULTILINE)
    parts = [section + "\n\n" if part.startswith(f"{title}\n") else part for part in parts]
    if section + "\n\n" not in parts:
        parts[-1] = parts[-1].rstrip("\n") + "\n\n"
        parts.append(section)
    return "".join(parts).rstrip("\n") + "\n"
