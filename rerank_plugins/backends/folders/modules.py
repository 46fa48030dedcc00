"""The modules of a model: one, or those that modules.json of sentence-transformers names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.models.json_files import load_json, read_whole_json

_LIBRARY = "sentence_transformers."
_TASK = "sequence-classification"
_OLD_TASK = "feature-extraction"
"""The task of a transformer that was saved before there was a choice."""

_TRANSFORMER_FILES = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
_OLD_NAMES = {
    "model_args": "model_kwargs",
    "tokenizer_args": "processor_kwargs",
    "config_args": "config_kwargs",
}


@dataclass(frozen=True, slots=True)
class Module:
    """A module after the transformer.

    Attributes:
        kind: The name of its class, such as `"Pooling"`.
        folder: The folder of its weights.
        settings: Its config.json.
    """

    kind: str
    folder: Path
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Modules:
    """The modules of a cross-encoder.

    Attributes:
        folder: The folder of the transformer: config.json, weights, tokenizer.
        task: What the transformer computes: `"sequence-classification"`, or else
            `"feature-extraction"`.
        settings: How sentence-transformers uses the transformer.
        later: The modules that compute a score from the transformer's states.
        prompt: Put before the query unless the options say otherwise.
    """

    folder: Path
    task: str = _TASK
    settings: Mapping[str, Any] | None = None
    later: tuple[Module, ...] = ()
    prompt: str = ""


def read_modules(folder: Path) -> Modules:
    """The modules of the model in `folder`.

    Raises:
        NoGraphError: A module has code of its own, the first is no transformer, or a file is
            damaged.
    """
    if not (folder / "modules.json").is_file():
        return Modules(folder)  # files for sentence-transformers alone are not read
    try:
        return _listed(folder)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        message = f"its modules.json is not as expected ({type(error).__name__}: {error})"
        raise NoGraphError(message) from error


def _listed(folder: Path) -> Modules:
    listed = load_json(folder / "modules.json")
    for entry in listed:
        if not str(entry["type"]).startswith(_LIBRARY):
            message = f"its module {entry['type']} is code of its own"
            raise NoGraphError(message)
    kinds = [str(entry["type"]).rpartition(".")[2] for entry in listed]
    if kinds[0] != "Transformer":
        message = f"its first module is a {kinds[0]}, not a Transformer"
        raise NoGraphError(message)
    places = [folder / str(entry["path"]) for entry in listed]
    settings = _transformer_settings(places[0])
    return Modules(
        folder=places[0],
        task=str(settings.get("transformer_task", _OLD_TASK)),
        settings=settings,
        later=tuple(
            Module(kind, place, read_whole_json(place / "config.json"))
            for kind, place in zip(kinds[1:], places[1:], strict=True)
        ),
        prompt=_prompt(folder),
    )


def _transformer_settings(folder: Path) -> dict[str, Any]:
    found = next(filter(None, (read_whole_json(folder / name) for name in _TRANSFORMER_FILES)), {})
    return {_OLD_NAMES.get(key, key): value for key, value in found.items()}


def _prompt(folder: Path) -> str:
    config = read_whole_json(folder / "config_sentence_transformers.json")
    return (config.get("prompts") or {}).get(config.get("default_prompt_name")) or ""
