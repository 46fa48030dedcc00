"""The files that a model is made of: one list for downloading and for telling models apart."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

VOCABULARIES = ("*.model", "*.spm", "*.codes", "*.tokenizer", "*.tiktoken")
"""Of tokenizers, beside `tokenizer.json` and `vocab.txt`."""

TEXTS = ("*.json", "*.txt", "*.jinja", *VOCABULARIES)
"""Configuration, tokenizer and chat templates: small files."""

WEIGHTS = ("*.safetensors",)
CODE = ("*.py",)
"""Read only with `trust_remote_code=True`."""

GRAPHS = ("model.onnx", "model.xml", "model.bin")
"""What this package writes and ships beside a model's own files."""

MODEL_FILES = (*TEXTS, *WEIGHTS, *CODE, *GRAPHS)

Files: TypeAlias = tuple[tuple[str, int, int], ...]
"""Each file's name, its bytes, and when it was last written, in nanoseconds."""


def model_files(folder: Path) -> list[Path]:
    """The model's files in a folder and in its subfolders, in a fixed order."""
    return sorted(file for file in folder.rglob("*") if is_part(file.name) and file.is_file())


def is_part(name: str) -> bool:
    """Whether a file of this name is one that a model is made of."""
    return any(fnmatchcase(name, pattern) for pattern in MODEL_FILES)


def files_now(folder: Path) -> Files:
    """Name, size and time of each of the model's files, without reading them.

    Raises:
        OSError: A file cannot be looked at.
    """
    stats = [(file.relative_to(folder).as_posix(), file.stat()) for file in model_files(folder)]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
