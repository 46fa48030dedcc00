"""Checks that all weights of a loaded model came from its files; the library makes up the rest."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from rerank_plugins.backends.graphs.stored_weights import StoredWeight, StoredWeights
from rerank_plugins.errors import ModelError
from rerank_plugins.messages.commands import command
from rerank_plugins.models.files import weight_files
from rerank_plugins.models.json_files import module_folders, read_json

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Shape of each weight, by its key."""

_FIELDS = ("num_attention_heads", "num_hidden_layers")
"""Fields of config.json whose default no weight would contradict."""

_SHOWN = 3


def check_config(folder: Path, name: str) -> None:
    """Refuses a config.json that lacks a field, which the library would make up.

    Raises:
        ModelError: The message names the field.
    """
    from transformers import CONFIG_MAPPING

    config = read_json(folder / "config.json")
    if not config or config.get("auto_map"):
        return  # the model is in another folder, or has its own code
    kind: Any = None
    if config.get("model_type") in CONFIG_MAPPING:
        kind = CONFIG_MAPPING[config["model_type"]]
    names = getattr(kind, "attribute_map", {})
    fields = getattr(kind, "__dataclass_fields__", {})
    lacks = [
        field
        for field in (names.get(name, name) for name in _FIELDS)
        if field in fields and field not in config
    ]
    for field in lacks:
        message = (
            f"{name!r} cannot be used: its config.json has no {field!r}, and what the library "
            "takes instead may be another model's. Save the model again with save_pretrained."
        )
        raise ModelError(message)


def check_weights(model: "CrossEncoder", folder: Path, name: str) -> None:
    """Refuses a model whose files lack weights or have them in another shape.

    transformers fills such weights with random numbers and continues. Keys that only the files have
    are fine: old checkpoints contain buffers that the library no longer reads.

    Raises:
        ModelError: The message names the keys and says how to repair the file.
    """
    inner: Any = model.transformers_model
    if inner is None:
        return
    places = [place for place in module_folders(folder) if weight_files(place)]
    place = places[0] if places else folder
    saved = {key: weight.shape for key, weight in StoredWeights(place).items()}
    if not lacking(inner, saved):
        return
    # The names may differ because the library renames them. Only the library knows.
    found = _loading_info(inner, str(place))
    if getattr(inner, "_hf_peft_config_loaded", False):  # found has the adapter's keys only
        weights = {key: value for file in weight_files(place) for key, value in _read(file)}
        base = _loading_info(inner, None, state_dict=weights)
        whole = ".modules_to_save."
        replaced = {key.partition(whole)[0] for key in inner.state_dict() if whole in key}
        found["missing_keys"] = {
            *found["missing_keys"],
            *(key for key in base["missing_keys"] if key.rpartition(".")[0] not in replaced),
        }
        found["mismatched_keys"] = {*found["mismatched_keys"], *base["mismatched_keys"]}
    mismatched = {key: (tuple(old), tuple(new)) for key, old, new in found["mismatched_keys"]}
    missing = sorted(set(found["missing_keys"]) - mismatched.keys())
    if missing or mismatched:
        raise _misfit(name, place, missing, mismatched, saved)


def _loading_info(inner: Any, place: str | None, **options: Any) -> dict[str, Any]:
    """The report of transformers on keys, from loading the model again."""
    _, found = type(inner).from_pretrained(
        place,
        config=inner.config,
        dtype=inner.dtype,
        local_files_only=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        use_safetensors=True,
        **options,
    )
    return dict(found)


def lacking(module: Any, saved: Shapes) -> list[str]:
    """Keys of a module's weights that were not saved in the same shape.

    Tied weights are one tensor with several keys, and only one of them is saved.
    """
    state = module.state_dict()
    found = {key for key, value in state.items() if saved.get(key) == tuple(value.shape)}
    tensors = {state[key].data_ptr() for key in found}
    return [k for k, value in state.items() if k not in found and value.data_ptr() not in tensors]


def _read(file: Path) -> Iterable[tuple[str, Any]]:
    from safetensors.torch import load_file

    return load_file(file).items()


def check_shapes(
    wanted: Shapes, saved: Mapping[str, StoredWeight], folder: Path, name: str
) -> None:
    """Refuses files that lack weights or have them in another shape.

    Raises:
        ModelError: The message names the keys and says how to repair the file.
    """
    shapes = {key: weight.shape for key, weight in saved.items()}
    missing = sorted(key for key in wanted if key not in shapes)
    mismatched = {
        key: (shapes[key], shape)
        for key, shape in wanted.items()
        if key in shapes and shapes[key] != shape
    }
    if missing or mismatched:
        raise _misfit(name, folder, missing, mismatched, shapes)


def _misfit(
    name: str,
    folder: Path,
    missing: list[str],
    mismatched: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]],
    saved: Shapes,
) -> ModelError:
    """The error for weights that are not in the files, or not in the right shape."""
    problems = []
    if missing:
        problems.append(f"its files have no {_listed(missing)}")
    for key, (old, new) in sorted(mismatched.items())[:_SHOWN]:
        problems.append(f"{key} has the shape {list(old)} and must have {list(new)}")
    prefix = _prefix(missing, saved)
    file = folder / "model.safetensors"
    if prefix and not file.is_file():
        mend = (
            f"They are there with {prefix!r} in front, as a wrapped model saves them. Take it off "
            "the keys in every file, or save the model again without its wrapper."
        )
    elif prefix:
        mend = (
            f"They are there with {prefix!r} in front, as a wrapped model saves them. Take it off: "
            f'{command("python")} -c "from safetensors.torch import load_file, save_file; '
            f"f = {str(file)!r}; save_file({{k.removeprefix({prefix!r}): v for k, v in "
            "load_file(f).items()}, f, metadata={'format': 'pt'})\""
        )
    else:
        mend = (
            "With random numbers in their place the scores would mean nothing. Save the whole "
            "model again with save_pretrained, or correct config.json if it is not this model's."
        )
    message = (
        f"{name!r} could not be loaded, because its weights do not fit: {'; '.join(problems)}. "
        f"{mend}"
    )
    return ModelError(message)


def _prefix(missing: Iterable[str], saved: Shapes) -> str:
    """The prefix that all missing keys have in the files, or an empty string."""
    prefixes = {
        next((k[: -len(key)] for k in saved if k.endswith(f".{key}")), "") for key in missing
    }
    return prefixes.pop() if len(prefixes) == 1 else ""


def _listed(keys: list[str]) -> str:
    rest = len(keys) - _SHOWN
    return ", ".join(keys[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
