"""Finds what is missing or damaged in a model's folder; each kind of damage has its own message."""

from collections.abc import Collection, Iterator
from pathlib import Path

from rerank_plugins.errors import ModelError
from rerank_plugins.messages.commands import command
from rerank_plugins.models.files import (
    ADAPTER_FILE,
    ADAPTER_WEIGHTS_FILE,
    INDEX_FILE,
    TEXTS,
    VOCABULARIES,
    WEIGHTS,
    weight_files,
)
from rerank_plugins.models.json_files import load_json, module_folders
from rerank_plugins.models.safetensors_files import read_header

_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES = 1024
"""Pointers of Git LFS are smaller."""

_SETTINGS = (
    "config.json",
    "config_sentence_transformers.json",
    "sentence_*_config.json",
    "tokenizer_config.json",
)
_MODULES = "modules.json"
_WITH_SETTINGS = ("Dense", "Dropout", "LayerNorm", "Pooling", "Transformer")
"""Modules of sentence-transformers that always have a config.json."""

_TOKENIZER_FILES = ("tokenizer.json", "vocab[.-]*", *VOCABULARIES)


def check_small_files(folder: Path, name: str) -> None:
    """Refuses a folder whose small files show that it was not copied, cloned or saved whole.

    Args:
        folder: The model's folder.
        name: The model reference, for messages.

    Raises:
        ModelError: The message names the files.
    """
    _check_links(folder, name, TEXTS)
    _check_fetched(folder, name)
    for file in _files(folder, *_SETTINGS):
        _check_json(file, folder, name, dict)
    if (folder / _MODULES).is_file():
        _check_json(folder / _MODULES, folder, name, list)
        _check_modules(folder, name)


def check_weight_files(folder: Path, name: str) -> None:
    """Refuses a folder where a file of weights is missing, or is not whole.

    Raises:
        ModelError: The message names the file.
    """
    _check_links(folder, name, WEIGHTS)
    for place in module_folders(folder):
        index = place / INDEX_FILE
        files = weight_files(place)
        if not files and index.is_file():
            reason = f"its {index.relative_to(folder)} does not say which file each weight is in"
            raise _damaged(name, reason)
        if not files and any(place.glob("model-*-of-*.safetensors")):
            reason = f"it has weights in several files, and no {index.relative_to(folder)}"
            raise incomplete(name, f"{reason}, which says what is in each")
        for file in files:
            if not file.is_file():
                reason = f"its {index.relative_to(folder)} names {file.name}, which is not there"
                raise incomplete(name, reason)
        for file in (*files, place / ADAPTER_WEIGHTS_FILE):
            if file.is_file():
                try:
                    read_header(file)
                except ValueError as error:
                    reason = f"its {file.relative_to(folder)} is not whole ({error})"
                    raise _damaged(name, reason) from error


def check_whole(folder: Path, name: str) -> None:
    """Finds the file that explains why loading has failed.

    Raises:
        ModelError: A file is damaged or missing.
    """
    for file in _files(folder, "*.json"):
        _check_json(file, folder, name, object)
    for place in module_folders(folder):
        if not place.is_dir():
            reason = f"its {_MODULES} names the folder {place.relative_to(folder)}"
            raise incomplete(name, f"{reason}, which is not there")
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


def incomplete(name: str, reason: str) -> ModelError:
    """The error for a model of which something is missing."""
    return ModelError(f"{name!r} is incomplete: {reason}. Copy or save the model again.")


def _files(folder: Path, *patterns: str) -> Iterator[Path]:
    for place in module_folders(folder):
        for pattern in patterns:
            yield from sorted(file for file in place.glob(pattern) if file.is_file())


def _check_links(folder: Path, name: str, patterns: Collection[str]) -> None:
    """Refuses links to nothing, as in a snapshot of the hub's cache that was copied alone."""
    lost = [
        str(file.relative_to(folder))
        for place in module_folders(folder)
        for pattern in patterns
        for file in sorted(place.glob(pattern))
        if file.is_symlink() and not file.exists()
    ]
    if lost:
        which = "is a link to a file" if len(lost) == 1 else "are links to files"
        reason = f"{', '.join(dict.fromkeys(lost))} {which} that cannot be found"
        message = (
            f"{name!r} is incomplete: {reason}. Copy the files themselves (cp -rL follows links), "
            "or download the model again."
        )
        raise ModelError(message)


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


def _check_json(file: Path, folder: Path, name: str, kind: type) -> None:
    """Refuses a file that holds no JSON, or another kind of value."""
    try:
        content = load_json(file)
    except ValueError as error:
        raise _damaged(name, f"its {file.relative_to(folder)} is not JSON ({error})") from error
    if not isinstance(content, kind):
        wanted = "object" if kind is dict else "list"
        raise _damaged(name, f"its {file.relative_to(folder)} is not a JSON {wanted}")


def _check_modules(folder: Path, name: str) -> None:
    """Refuses a modules.json that names no modules, or one without its settings."""
    modules = load_json(folder / _MODULES)
    if not modules or any(
        not isinstance(module, dict) or not {"path", "type"} <= module.keys() for module in modules
    ):
        raise _damaged(name, f"its {_MODULES} does not name the modules of a model")
    for module in modules:
        library, _, kind = str(module["type"]).rpartition(".")
        place = folder / str(module["path"])
        if not library.startswith("sentence_transformers.") or kind not in _WITH_SETTINGS:
            continue
        if not any((place / file).is_file() for file in ("config.json", ADAPTER_FILE)):
            file = (place / "config.json").relative_to(folder)
            raise incomplete(name, f"its {_MODULES} names a {kind}, whose {file} is not there")


def _damaged(name: str, reason: str) -> ModelError:
    message = (
        f"{name!r} is damaged: {reason}. Copy or save the model again; for a hub model, delete it "
        f"from the cache ({command('hf')} cache rm) and load it again."
    )
    return ModelError(message)
