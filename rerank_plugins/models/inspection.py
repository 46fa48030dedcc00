"""Checks a model's files before they are loaded; each kind of damage has its own message."""

import errno
import importlib.util
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from rerank_plugins.errors import (
    MissingExtraError,
    ModelError,
    ModelNotFoundError,
    NotACrossEncoderError,
    UnsafeWeightsError,
    UnsupportedOptionError,
)
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.files import (
    TEXTS,
    VOCABULARIES,
    WEIGHTS,
    WEIGHTS_FILE,
    unread_weights,
)
from rerank_plugins.models.json_files import load_json, module_folders, read_json
from rerank_plugins.models.references import is_on_disk

ADAPTER_FILE = "adapter_config.json"

_EXAMPLE = "'cross-encoder/ms-marco-MiniLM-L4-v2'"
_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES = 1024
"""Pointers of Git LFS are smaller."""

_TOKENIZER_FILES = ("tokenizer.json", "vocab[.-]*", *VOCABULARIES)


def inspect(folder: Path, name: str, *, trust_remote_code: bool, weights_listed: bool) -> None:
    """Refuses a model that cannot be used for scoring, before its weights are read.

    Args:
        folder: The model's folder.
        name: The model reference, for messages.
        trust_remote_code: Whether code that comes with the model may run.
        weights_listed: Whether the weights must be there already; they are downloaded last.

    Raises:
        ModelNotFoundError: The folder holds no model, or none of its weights.
        NotACrossEncoderError: The model has no head for scoring pairs.
        UnsafeWeightsError: The model has no safetensors weights.
        UnsupportedOptionError: The model needs `trust_remote_code=True`.
        MissingExtraError: The model has an adapter, and peft is not installed.
        ModelError: A file is a pointer of Git LFS.
        PermissionError: The weights are not readable.
    """
    _check_fetched(folder, name)
    _check_kind(folder, name)
    if read_json(folder / "config.json").get("auto_map") and not trust_remote_code:
        message = (
            f"{name!r} comes with code of its own. If you trust its author and have read the "
            f"code, pass {option('trust_remote_code', True)}."
        )
        raise UnsupportedOptionError(message)
    if weights_listed:
        _check_weights(folder, name)
    if (folder / ADAPTER_FILE).is_file() and importlib.util.find_spec("peft") is None:
        message = (
            f"{name!r} has an adapter beside the model ({ADAPTER_FILE}), and applying it needs "
            f"peft, which is not installed. Type: {command('pip')} install peft; or save the model "
            "with the adapter merged into it (merge_and_unload() of peft)."
        )
        raise MissingExtraError(message, name="peft")


def check_whole(folder: Path, name: str) -> None:
    """Finds the file that explains why loading has failed.

    Raises:
        ModelError: A file is damaged or missing.
    """
    for file in _files(folder, "*.json"):
        try:
            load_json(file)
        except (OSError, ValueError) as error:
            message = (
                f"{name!r} is damaged: its {file.relative_to(folder)} is not JSON ({error}). Copy "
                "or save the model again; for a hub model, delete it from the cache "
                f"({command('hf')} cache rm) and load it again."
            )
            raise ModelError(message) from error
    for place in module_folders(folder):
        if not place.is_dir():
            message = (
                f"{name!r} is incomplete: its modules.json names the folder "
                f"{place.relative_to(folder)}, which is not there. Copy or save the model again."
            )
            raise ModelError(message)
    check_vocabulary(folder, name)


def check_vocabulary(folder: Path, name: str, files: Collection[str] = ()) -> None:
    """Refuses a folder without a vocabulary: the library would make up one of five tokens.

    Args:
        folder: The model's folder.
        name: The model reference, for messages.
        files: Names of the files that this tokenizer reads, if known.

    Raises:
        ModelError: No file could hold a vocabulary.
    """
    if not any(True for _ in _files(folder, *_TOKENIZER_FILES, *files)):
        message = (
            f"{name!r} has no tokenizer: neither tokenizer.json nor another vocabulary is in its "
            "folder, and without one every word would be unknown. Save the tokenizer there too: "
            "tokenizer.save_pretrained(folder)."
        )
        raise ModelError(message)


def _files(folder: Path, *patterns: str) -> Iterator[Path]:
    for place in module_folders(folder):
        for pattern in patterns:
            yield from sorted(file for file in place.glob(pattern) if file.is_file())


def _check_fetched(folder: Path, name: str) -> None:
    """Refuses a clone made without git-lfs, whose large files are pointers of three lines."""
    pointers = []
    for file in _files(folder, *TEXTS, *WEIGHTS):
        if file.stat().st_size < _POINTER_BYTES and file.read_bytes().startswith(_POINTER):
            pointers.append(str(file.relative_to(folder)))
    if pointers:
        message = (
            f"{name!r} was cloned without its big files: {', '.join(dict.fromkeys(pointers))} "
            f"{'is a pointer' if len(pointers) == 1 else 'are pointers'} of Git LFS. Fetch them: "
            f"git -C {folder} lfs pull"
        )
        raise ModelError(message)


def _check_kind(folder: Path, name: str) -> None:
    """Refuses a folder that holds no model, or another kind of model."""
    config = read_json(folder / "config.json")
    has_modules = (folder / "modules.json").is_file()
    if not config and (folder / "config.json").is_file():
        message = (
            f"{name!r} is damaged: its config.json is not a JSON object. Save the model again."
        )
        raise ModelNotFoundError(message)
    if not config and not has_modules:
        if (folder / ADAPTER_FILE).is_file():
            raise _adapter_alone(folder, name)
        message = f"{name!r} holds no model: it has no config.json. Save one with save_pretrained."
        raise ModelNotFoundError(message)
    saved_as = read_json(folder / "config_sentence_transformers.json").get("model_type")
    if has_modules and saved_as != "CrossEncoder":
        kind = saved_as or "SentenceTransformer"
        message = (
            f"{name!r} is a {kind}, not a cross-encoder: it embeds texts one by one. Use it as "
            f"first stage, and for reranking a model such as {_EXAMPLE}."
        )
        raise NotACrossEncoderError(message)
    architectures = config.get("architectures") or ["none"]
    if not has_modules and not architectures[0].endswith("ForSequenceClassification"):
        message = (
            f"{name!r} is not a cross-encoder: its architecture is {architectures[0]}, which has "
            f"no trained head that scores a pair of texts. Use a model such as {_EXAMPLE}."
        )
        raise NotACrossEncoderError(message)


def _check_weights(folder: Path, name: str) -> None:
    """Refuses a folder without weights, or with weights that are not safe to open."""
    weights = list(folder.rglob("*.safetensors"))
    for file in weights:
        if not os.access(file, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
    for place in module_folders(folder)[1:]:  # there the library would fall back to the pickle
        for file in place.rglob("pytorch_model.bin"):
            if not any(file.parent.glob("*.safetensors")):
                module = file.parent.relative_to(folder)
                raise _pickled(name, f" in {module}")
    if any(not file.name.startswith("adapter_") for file in weights):
        return
    if (folder / ADAPTER_FILE).is_file():
        raise _adapter_alone(folder, name)
    others = unread_weights(folder)
    if not others and is_on_disk(name):  # of a hub model, no others were downloaded
        message = (
            f"{name!r} has no weights: no {WEIGHTS_FILE} is in its folder. Copy it there too, or "
            "save the model again with save_pretrained."
        )
        raise ModelNotFoundError(message)
    if others and others[0].suffix == ".onnx":
        message = (
            f"{name!r} has no safetensors weights, only a graph of ONNX "
            f"({others[0].relative_to(folder)}), which says too little of how it was made to be "
            "scored with. Pass the model that it was exported from. For a graph that loads "
            f"without torch, type: {command('rerank')} compile MODEL --backend onnx"
        )
        raise UnsafeWeightsError(message)
    raise _pickled(name)


def _pickled(name: str, where: str = "") -> ModelError:
    message = (
        f"{name!r} has no safetensors weights{where}. Pickled weights can run code when they are "
        "opened, so they are not loaded. Convert the model once with safetensors, or choose a "
        "revision that has them."
    )
    return UnsafeWeightsError(message)


def _adapter_alone(folder: Path, name: str) -> ModelError:
    base = read_json(folder / ADAPTER_FILE).get("base_model_name_or_path") or "its base model"
    message = (
        f"{name!r} holds an adapter only, and no model. Merge it into the model that it was "
        f"trained on ({base}) and save the whole: load both with peft "
        "(AutoPeftModelForSequenceClassification), then merge_and_unload() and save_pretrained, "
        "and save the tokenizer beside."
    )
    return ModelNotFoundError(message)
