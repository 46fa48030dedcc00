"""Reads JSON files of a model's folder."""

import json
from pathlib import Path
from typing import Any


def load_json(file: Path) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not UTF-8 or not JSON, or is nested too deeply to be read.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        message = "it is nested too deeply"
        raise ValueError(message) from error


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; `{}` if there is no such file or it holds something else."""
    try:
        content = load_json(file)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError):
        # absent, not UTF-8, or not JSON
        return {}
    return content if isinstance(content, dict) else {}


def read_whole_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; `{}` if there is no such file.

    Raises:
        ValueError: The file holds something else.
    """
    if not file.is_file():
        return {}
    content = load_json(file)
    if not isinstance(content, dict):
        message = f"{file.name} holds no object"
        raise ValueError(message)
    return content


def module_folders(folder: Path) -> list[Path]:
    """The folder, and the folders in it that sentence-transformers reads modules from."""
    try:
        modules = load_json(folder / "modules.json")
        paths = [str(module.get("path", "")) for module in modules]
    except (OSError, ValueError, TypeError, AttributeError):  # absent, or reported by the library
        paths = []
    return [folder, *(folder / path for path in paths if path)]
