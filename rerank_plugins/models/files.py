"""The files that a model is made of: one list for downloading and for telling models apart."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

from rerank_plugins.models.json_files import module_folders, read_json

VOCABULARIES = ("*.model", "*.spm", "*.codes", "*.tokenizer", "*.tiktoken")
"""Vocabularies of tokenizers, besides `tokenizer.json` and `vocab.txt`."""

TEXTS = ("*.json", "*.txt", "*.jinja", *VOCABULARIES)
"""Configuration, tokenizer and chat templates: small files."""

WEIGHTS = ("*.safetensors",)
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = f"{WEIGHTS_FILE}.index.json"
"""Says which of several files each weight is in."""

ADAPTER_FILE = "adapter_config.json"
ADAPTER_WEIGHTS_FILE = "adapter_model.safetensors"
TWINS = ("onnx/*", "openvino/*")
"""Folders of the hub with the same model in other forms; their configuration is not ours."""

CODE = ("*.py",)
"""Read only with `trust_remote_code=True`."""

_CODE_REPOSITORY = re.compile(r'"([^"/]+/[^"/]+?)--')

GRAPHS = ("model.onnx", "model.xml", "model.bin")
"""Written by this package, not by the model's author."""

OWN_SETTINGS_FILE = "rerank_plugins.json"
"""Says how to rank with the model."""

CALIBRATION_FILE = "rerank_calibration.json"
"""Says what the model's scores mean."""

OWN_FILES = (OWN_SETTINGS_FILE, CALIBRATION_FILE)
"""What this package may add to a model. Scores do not depend on it, so it tells no models apart."""

MODEL_FILES = (*TEXTS, *WEIGHTS, *CODE, *GRAPHS)

Files: TypeAlias = tuple[tuple[str, int, int], ...]
"""For each file its name, its size in bytes, and its modification time in nanoseconds."""


def weight_names(folder: Path) -> tuple[str, ...]:
    """The weights of a model whose small files are in a folder, by name: what loading it reads."""
    names = []
    for place in module_folders(folder):
        for name in (WEIGHTS_FILE, ADAPTER_WEIGHTS_FILE, *_parts(place)):
            names.append((place / name).relative_to(folder).as_posix())
    return tuple(names)


def has_weights(folder: Path) -> bool:
    """Whether weights are in a model's folder, and all files of those that are in several."""
    return any(True for pattern in WEIGHTS for _ in folder.rglob(pattern)) and all(
        file.is_file() for place in module_folders(folder) for file in weight_files(place)
    )


def weight_files(place: Path) -> list[Path]:
    """The safetensors files that transformers reads weights from; some may be missing."""
    if (place / WEIGHTS_FILE).is_file():
        return [place / WEIGHTS_FILE]
    return [place / name for name in _parts(place)]


def unread_weights(folder: Path) -> list[Path]:
    """The files in a model's folder with weights that are never loaded: pickles, then ONNX's."""
    kinds = ("*.bin", "*.pt", "*.onnx")
    return [file for kind in kinds for file in sorted(folder.rglob(kind))]


def _parts(place: Path) -> list[str]:
    """The files of weights that an index in a folder names."""
    weight_map = read_json(place / INDEX_FILE).get("weight_map")
    return sorted(set(map(str, weight_map.values()))) if isinstance(weight_map, dict) else []


def code_repositories(folder: Path) -> list[str]:
    """The other repositories of the hub that a model has code in.

    Its configuration names a class of them as `owner/name--module.Class`.
    """
    found: set[str] = set()
    for place in module_folders(folder):
        for name in ("config.json", "tokenizer_config.json"):
            # a class for each kind; a tokenizer's is a list of two, in old files without a kind
            classes = json.dumps(read_json(place / name).get("auto_map"))
            found.update(_CODE_REPOSITORY.findall(classes))
    return sorted(found)


def model_files(folder: Path) -> list[Path]:
    """The model's files in a folder and in its subfolders, in a fixed order."""
    return sorted(file for file in folder.rglob("*") if is_part(file.name) and file.is_file())


def is_part(name: str) -> bool:
    """Whether a file with this name is part of a model, and may change what it scores."""
    return name not in OWN_FILES and any(fnmatchcase(name, pattern) for pattern in MODEL_FILES)


def files_now(folder: Path) -> Files:
    """The name, size and modification time of each of the model's files, which are not read.

    Raises:
        OSError: The folder or a file is not accessible.
    """
    stats = [(file.relative_to(folder).as_posix(), file.stat()) for file in model_files(folder)]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
