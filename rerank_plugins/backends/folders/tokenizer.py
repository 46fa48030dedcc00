"""Reads a folder's tokenizer as transformers does."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, processors

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.folders.added_tokens import Token, add_tokens, read_added_tokens
from rerank_plugins.backends.folders.tokenizer_classes import (
    CLASSES,
    OF_MODEL_TYPE,
    TokenizerClass,
    Vocabulary,
)
from rerank_plugins.models.json_files import read_whole_json

_AS_SAVED = ("TokenizersBackend", "PreTrainedTokenizer", "PythonBackend")
"""Classes that are what tokenizer.json says, without the ending `Fast`."""

_AS_SAVED_TYPES = ("modernbert",)
"""Types of models whose tokenizers are what tokenizer.json says, whatever class the files name."""

_OPTIONAL_ROLES = ("pad_token", "mask_token")
_NEVER_READ = (
    "auto_map",
    "fast_tokenizer_files",
    "processor_class",
    "split_special_tokens",
)
"""Keys of tokenizer_config.json that change the tokenizer in ways that are not described here."""


@dataclass(frozen=True, slots=True)
class SavedTokenizer:
    """A tokenizer, and what its files say about how to use it.

    Attributes:
        tokenizer: The tokenizer, which neither pads nor cuts.
        vocabulary: Ids by token, without tokens that were added.
        pad_id: The id of the token that pads shorter pairs; `None` if there is none.
        max_length: The most tokens of a pair according to its files; `None` if they do not say.
        inputs: Names of what it makes for the model.
        truncation_side: Where texts that are too long are cut.
    """

    tokenizer: Tokenizer
    vocabulary: Mapping[str, int]
    pad_id: int | None
    max_length: float | None
    inputs: tuple[str, ...]
    truncation_side: str


def read_tokenizer(
    folder: Path, options: Mapping[str, Any], model: Mapping[str, Any]
) -> SavedTokenizer:
    """The tokenizer in a folder.

    Args:
        folder: The folder.
        options: Its tokenizer_config.json.
        model: Its config.json.

    Raises:
        NoGraphError: It is of a kind that is not described here.
    """
    kind = class_of(options, model)
    if kind is None:
        return _as_saved(folder, options)
    return _made_anew(folder, options, kind)


def class_of(options: Mapping[str, Any], model: Mapping[str, Any]) -> TokenizerClass | None:
    """The class of a tokenizer; `None` if it is what tokenizer.json says.

    Args:
        options: The folder's tokenizer_config.json.
        model: Its config.json.

    Raises:
        NoGraphError: It is of a kind that is not described here.
    """
    for key in _NEVER_READ:
        if options.get(key):
            message = f"its tokenizer_config.json has {key}={options[key]!r:.60}"
            raise NoGraphError(message)
    kind = str(model.get("model_type"))
    name = options.get("tokenizer_class") or model.get("tokenizer_class") or OF_MODEL_TYPE.get(kind)
    name = str(name).removesuffix("Fast")
    if kind in _AS_SAVED_TYPES or name in _AS_SAVED:
        return None
    if name not in CLASSES:
        message = f"its tokenizer is a {name}"
        raise NoGraphError(message)
    return CLASSES[name]


def _as_saved(folder: Path, options: Mapping[str, Any]) -> SavedTokenizer:
    """The tokenizer that tokenizer.json describes."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        message = "its tokenizer has no tokenizer.json"
        raise NoGraphError(message)
    tokenizer = Tokenizer.from_file(str(file))
    tokens = read_added_tokens(folder, options, tokenizer.get_added_tokens_decoder())
    roles = {"pad_token": (tokenizer.padding or {}).get("pad_token"), **tokens.named}
    add_tokens(tokenizer, tokens, roles, tokens.extra or ())
    if tokenizer.post_processor is None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A:0", pair="$A:0 $B:1", special_tokens=[]
        )
    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    cutting = tokenizer.truncation or {}
    return _with_options(tokenizer, vocabulary, options, roles, cutting, types=False)


def _made_anew(folder: Path, options: Mapping[str, Any], kind: TokenizerClass) -> SavedTokenizer:
    """The tokenizer that transformers makes of a vocabulary."""
    saved = read_whole_json(folder / "tokenizer.json")
    listed = {
        token["id"]: AddedToken(**{key: value for key, value in token.items() if key != "id"})
        for token in saved.get("added_tokens", ())
    }
    tokens = read_added_tokens(folder, options, listed)
    roles = kind.roles_of(tokens.named)
    for role, token in roles.items():
        if token is None and role not in _OPTIONAL_ROLES:
            message = f"its tokenizer_config.json says that there is no {role}"
            raise NoGraphError(message)
    vocabulary = _vocabulary(folder, saved, kind)
    tokenizer = kind.make(vocabulary, options, roles)
    add_tokens(tokenizer, tokens, roles, kind.extra if tokens.extra is None else tokens.extra)
    tokenizer.post_processor = kind.frame(tokenizer, options, roles)
    ids = vocabulary.tokens
    if isinstance(ids, list):
        ids = {piece: index for index, (piece, _) in enumerate(ids)}
    cutting = saved.get("truncation") or {}
    return _with_options(tokenizer, ids, options, roles, cutting, types=kind.types)


def _with_options(
    tokenizer: Tokenizer,
    vocabulary: Mapping[str, int],
    options: Mapping[str, Any],
    roles: Mapping[str, Token | None],
    cutting: Mapping[str, Any],
    *,
    types: bool,
) -> SavedTokenizer:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    pad_token = roles.get("pad_token")
    inputs = ("input_ids", "attention_mask", *(["token_type_ids"] if types else []))
    side = options.get("truncation_side", cutting.get("direction", "right"))
    return SavedTokenizer(
        tokenizer=tokenizer,
        vocabulary=vocabulary,
        pad_id=None if pad_token is None else tokenizer.token_to_id(str(pad_token)),
        max_length=options.get("model_max_length", options.get("max_len")),
        inputs=tuple(options.get("model_input_names", inputs)),
        truncation_side=side.lower(),
    )


def _vocabulary(folder: Path, saved: Mapping[str, Any], kind: TokenizerClass) -> Vocabulary:
    """The vocabulary in tokenizer.json, or else in the older files of the class."""
    if not saved:
        return _old_vocabulary(folder, kind)
    model = saved["model"]
    tokens = model["vocab"]
    if isinstance(tokens, list) != (kind.files == ()):
        message = "its tokenizer.json is not of the class that tokenizer_config.json names"
        raise NoGraphError(message)
    if isinstance(tokens, list):
        tokens = [(piece, score) for piece, score in tokens]
    merges = [tuple(m.split(" ") if isinstance(m, str) else m) for m in model.get("merges", ())]
    return Vocabulary(tokens, merges, compiled_rules(saved))


def _old_vocabulary(folder: Path, kind: TokenizerClass) -> Vocabulary:
    files = [str(folder / name) for name in kind.files]
    if not files:
        message = "its tokenizer is a SentencePiece model, and there is no tokenizer.json"
        raise NoGraphError(message)
    if not all(Path(file).is_file() for file in files):
        message = f"its tokenizer has no tokenizer.json, nor {' and '.join(kind.files)}"
        raise NoGraphError(message)
    if len(files) == 1:
        return Vocabulary(models.WordPiece.read_file(*files))
    return Vocabulary(*models.BPE.read_file(*files))


def compiled_rules(saved: Mapping[str, Any]) -> bytes | None:
    """The rules of a SentencePiece model for replacing characters."""
    rules = saved.get("normalizer") or {}
    for rule in rules.get("normalizers", [rules]):
        if rule.get("type") == "Precompiled":
            return base64.b64decode(rule["precompiled_charsmap"])
    return None
