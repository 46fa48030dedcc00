"""Checks that a folder holds a model that can score pairs, before it is loaded."""

import importlib.util
from pathlib import Path

from rerank_plugins.errors import (
    BundleError,
    MissingExtraError,
    ModelError,
    ModelNotFoundError,
    NotACrossEncoderError,
    UnsafeWeightsError,
    UnsupportedOptionError,
)
from rerank_plugins.messages.commands import command
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.damage import check_small_files, check_weight_files, incomplete
from rerank_plugins.models.files import ADAPTER_FILE, GRAPHS, WEIGHTS_FILE, unread_weights
from rerank_plugins.models.json_files import module_folders, read_json
from rerank_plugins.models.references import MANIFEST_FILE, is_on_disk

_EXAMPLE = "'cross-encoder/ms-marco-MiniLM-L4-v2'"


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
        ModelError: A file is damaged or missing, a pointer of Git LFS, or a link to nothing.
        PermissionError: A file is not readable.
    """
    check_small_files(folder, name)
    _check_kind(folder, name)
    if read_json(folder / "config.json").get("auto_map") and not trust_remote_code:
        message = (
            f"{name!r} comes with code of its own. If you trust its author and have read the "
            f"code, pass {option('trust_remote_code', True)}."
        )
        raise UnsupportedOptionError(message)
    if weights_listed:
        check_weight_files(folder, name)
        _check_weights(folder, name)
    if (folder / ADAPTER_FILE).is_file() and importlib.util.find_spec("peft") is None:
        message = (
            f"{name!r} has an adapter beside the model ({ADAPTER_FILE}), and applying it needs "
            f"peft, which is not installed. Type: {command('pip')} install peft; or save the model "
            "with the adapter merged into it (merge_and_unload() of peft)."
        )
        raise MissingExtraError(message, name="peft")


def _check_kind(folder: Path, name: str) -> None:
    """Refuses a folder that holds no model, or another kind of model."""
    config = read_json(folder / "config.json")
    has_config = (folder / "config.json").is_file()
    has_modules = (folder / "modules.json").is_file()
    if not has_config and not has_modules:
        if (folder / ADAPTER_FILE).is_file():
            raise _adapter_alone(folder, name)
        if graph := _own_graph(folder):
            message = (
                f"{name!r} has a graph ({graph}), but neither a bundle's {MANIFEST_FILE} nor a "
                "model's config.json. Copy that file there too, or compile a bundle again: "
                f"{command('rerank')} compile MODEL --output FOLDER"
            )
            raise BundleError(message)
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
    if has_config and not config.get("model_type") and not config.get("auto_map"):
        raise incomplete(name, "its config.json has no 'model_type'")


def _check_weights(folder: Path, name: str) -> None:
    """Refuses a folder without weights, or with weights that are not safe to open."""
    for place in module_folders(folder)[1:]:  # there the library would fall back to the pickle
        for file in place.rglob("pytorch_model.bin"):
            if not any(file.parent.glob("*.safetensors")):
                module = file.parent.relative_to(folder)
                raise _pickled(name, f" in {module}")
    if any(not file.name.startswith("adapter_") for file in folder.rglob("*.safetensors")):
        return
    if (folder / ADAPTER_FILE).is_file():
        raise _adapter_alone(folder, name)
    if (folder / MANIFEST_FILE).is_file() and (graph := _own_graph(folder)):
        message = (
            f"{name!r} is a bundle ({graph}) with a model's config.json beside its "
            f"{MANIFEST_FILE}, and counts as a model because of it, one without weights. Delete "
            "the config.json to run the bundle."
        )
        raise BundleError(message)
    others = unread_weights(folder)
    if not others and is_on_disk(name):  # of a hub model, no others were downloaded
        message = (
            f"{name!r} has no weights: no {WEIGHTS_FILE} is in its folder. Copy it there too, or "
            "save the model again with save_pretrained."
        )
        raise ModelNotFoundError(message)
    kinds = [_graph_of(file) for file in others]
    if others and all(kinds):
        message = (
            f"{name!r} has no safetensors weights, only a graph of {kinds[0]} "
            f"({others[0].relative_to(folder)}), which says too little of how it was made to be "
            "scored with. Pass the model that it was exported from. For a graph that loads "
            f"without torch, type: {command('rerank')} compile MODEL --backend onnx"
        )
        raise UnsafeWeightsError(message)
    raise _pickled(name)


def _own_graph(folder: Path) -> str | None:
    """The name of a bundle's graph in a folder, if there is one."""
    return next((name for name in GRAPHS if (folder / name).is_file()), None)


def _graph_of(weights: Path) -> str | None:
    """The runtime whose graph a file belongs to; `None` for pickled weights."""
    if weights.suffix == ".onnx":
        return "ONNX"
    return "OpenVINO" if weights.with_suffix(".xml").is_file() else None


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
