"""Describes a folder as the `CrossEncoder` that would be loaded from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.description import INPUTS, UNBOUNDED, ModelDescription
from rerank_plugins.backends.folders.modules import Modules, read_modules
from rerank_plugins.backends.folders.tokenizer import SavedTokenizer, class_of, read_tokenizer
from rerank_plugins.backends.tables import check_token_ids, check_types
from rerank_plugins.errors import RerankError
from rerank_plugins.models.damage import check_whole
from rerank_plugins.models.files import ADAPTER_FILE
from rerank_plugins.models.json_files import read_json, read_whole_json

_WITHOUT_A_TABLE = ("modernbert",)
"""Types of models that compute positions."""

_BEHIND_PADDING = ("camembert", "roberta", "xlm-roberta")
"""Types of models whose positions start behind the id of padding."""

_WITHOUT_TYPES = ("distilbert", "modernbert", "mpnet")

_CHAT_TEMPLATES = ("chat_template.jinja", "additional_chat_templates")
_PROCESSORS = (
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
)


def describe_folder(folder: Path, name: str) -> ModelDescription:
    """The description of the model in a folder, without transformers.

    It equals that of the loaded model (`cross_encoder.describe`).

    Args:
        folder: The model's folder.
        name: The model reference, for messages.

    Raises:
        NoGraphError: Something in the folder makes the library do what is not described here.
        ModelError: A file is damaged or missing, or the tokenizer does not fit the model.
    """
    try:
        return _described(folder, name)
    except NoGraphError:
        check_whole(folder, name)
        raise
    except RerankError:
        raise
    except Exception as error:  # tokenizers raises no class of its own
        check_whole(folder, name)
        message = f"its files are not as expected ({type(error).__name__}: {error})"
        raise NoGraphError(message) from error


def check_described(folder: Path) -> None:
    """Refuses a folder whose small files show that `describe_folder` would.

    Vocabularies are not read, and damage is left to be found when the model is loaded.

    Raises:
        NoGraphError: Something in the folder makes the library do what is not described here.
    """
    modules = read_modules(folder)
    config = read_json(modules.folder / "config.json")
    options = read_json(modules.folder / "tokenizer_config.json")
    _check_usual(modules, config, options)
    class_of(options, config)


def _described(folder: Path, name: str) -> ModelDescription:
    modules = read_modules(folder)
    config = read_whole_json(modules.folder / "config.json")
    options = read_whole_json(modules.folder / "tokenizer_config.json")
    _check_usual(modules, config, options)
    tokenizer = read_tokenizer(modules.folder, options, config)
    if tokenizer.truncation_side != "right":
        message = "its tokenizer cuts texts at their beginning"
        raise NoGraphError(message)
    for key in ("model_type", "vocab_size", "max_position_embeddings", "pad_token_id"):
        if config.get(key) is None:
            message = f"its config.json has no {key!r}"
            raise NoGraphError(message)
    if (modules.settings or {}).get("do_lower_case"):
        _lower_case(tokenizer.tokenizer)
    limit, rows = _limit(config), int(config["vocab_size"])
    inputs = tuple(each for each in INPUTS if each == "attention_mask" or each in tokenizer.inputs)
    _check_fit(tokenizer, config, inputs, name)
    labels = _labels(modules, config)
    return ModelDescription(
        tokenizer=tokenizer.tokenizer.to_str(),
        pad_id=tokenizer.pad_id if tokenizer.pad_id and tokenizer.pad_id < rows else 0,
        limit=limit,
        default_length=_default_length(modules, config, tokenizer, limit),
        vocabulary=rows,
        columns=_columns(modules, labels),
        labels=labels,
        inputs=inputs,
        default_prompt=modules.prompt,
    )


def _lower_case(tokenizer: Tokenizer) -> None:
    """Lower-cases texts before all else, unless the tokenizer does so anyway."""
    rules = tokenizer.normalizer
    steps: list[Any] = [rules] if rules else []
    if isinstance(rules, normalizers.Sequence):
        steps = [rules[index] for index in range(len(rules))]
    if not any(isinstance(step, normalizers.Lowercase) for step in steps):
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])


def _check_usual(modules: Modules, config: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuses a model that is given something else than the pair's tokens.

    Args:
        modules: Its modules.
        config: Its config.json.
        options: Its tokenizer_config.json.
    """
    settings, folder = modules.settings or {}, modules.folder
    for key in ("processing_kwargs", "model_kwargs", "config_kwargs"):
        if settings.get(key):
            message = f"its files set {key}={settings[key]!r:.60}"
            raise NoGraphError(message)
    if others := [key for key in _processor_options(modules) if key != "model_max_length"]:
        message = f"its files set {others[0]} of the tokenizer for sentence-transformers"
        raise NoGraphError(message)
    if modules.settings is None:
        chats = options.get("chat_template") or any((folder / f).exists() for f in _CHAT_TEMPLATES)
    else:
        chats = "message" in settings.get("modality_config", {})
    if chats:
        message = "it reads chats"
        raise NoGraphError(message)
    if (folder / ADAPTER_FILE).is_file():
        message = "it has an adapter beside its weights"
        raise NoGraphError(message)
    if config.get("processor_class") or any((folder / file).is_file() for file in _PROCESSORS):
        message = "it reads more than text"
        raise NoGraphError(message)


def _check_fit(
    tokenizer: SavedTokenizer, config: Mapping[str, Any], inputs: tuple[str, ...], name: str
) -> None:
    """Refuses a tokenizer of another model.

    Raises:
        ModelError: It gives tokens ids, or passages a type, that the model has no embeddings for.
    """
    known, rows = tokenizer.tokenizer, int(config["vocab_size"])
    added = {token.content for token in known.get_added_tokens_decoder().values()}
    behind = {t: i for t, i in tokenizer.vocabulary.items() if i >= rows and t not in added}
    pair = known.encode("a", "a")
    check_token_ids({**behind, **dict(zip(pair.tokens, pair.ids, strict=True))}, rows, name)
    types = config.get("type_vocab_size", 2)
    if "token_type_ids" in inputs and config["model_type"] not in _WITHOUT_TYPES and types:
        check_types(max(pair.type_ids, default=0), types, name)


def _limit(config: Mapping[str, Any]) -> int | None:
    """The most tokens that the model has positions for; `None` if it has no table of them."""
    kind, rows = config["model_type"], int(config["max_position_embeddings"])
    if kind in _WITHOUT_A_TABLE or (
        kind == "deberta-v2" and not config.get("position_biased_input", True)
    ):
        return None
    if kind in _BEHIND_PADDING:
        return rows - int(config["pad_token_id"]) - 1
    return rows - 2 if kind == "mpnet" else rows


def _processor_options(modules: Modules) -> Mapping[str, Any]:
    """Options of the tokenizer that sentence-transformers saved."""
    settings = modules.settings or {}
    options = dict(settings.get("processor_kwargs") or {})
    if settings.get("max_seq_length") is not None:
        options.setdefault("model_max_length", settings["max_seq_length"])
    return options


def _default_length(
    modules: Modules, config: Mapping[str, Any], tokenizer: SavedTokenizer, limit: int | None
) -> int:
    """The length at which `predict` cuts pairs, at most the limit."""
    length = _processor_options(modules).get("model_max_length")
    if length is None:
        length = min(tokenizer.max_length or UNBOUNDED, config["max_position_embeddings"])
    return min(int(each) for each in (length, limit, UNBOUNDED) if each)


def _labels(modules: Modules, config: Mapping[str, Any]) -> dict[int, str]:
    """The names of the columns of the transformer's head, if it has one, by their index."""
    has_head = str((config.get("architectures") or [""])[0]).endswith("ForSequenceClassification")
    if modules.task == "sequence-classification" and not has_head:
        return {0: "LABEL_0"}
    names = config.get("id2label") or {
        i: f"LABEL_{i}" for i in range(config.get("num_labels") or 2)
    }
    return {int(index): str(name) for index, name in names.items()}


def _columns(modules: Modules, labels: Mapping[int, str]) -> int:
    """The number of columns of the output."""
    for module in reversed(modules.later):
        if module.kind == "Dense" and module.settings.get("module_output_name") == "scores":
            return int(module.settings["out_features"])
    return len(labels)
