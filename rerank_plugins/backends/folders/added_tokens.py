"""Which tokens a tokenizer has besides its vocabulary: special tokens by their role, and others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tokenizers import AddedToken, Tokenizer

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.models.json_files import read_whole_json

ROLES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)

Token: TypeAlias = str | AddedToken


@dataclass(frozen=True, slots=True)
class AddedTokens:
    """The tokens that a folder's files add to a vocabulary.

    Attributes:
        listed: Tokens with ids of their own, in the order of these.
        named: The special token of each role that a file names; `None` where there is to be none.
        extra: Special tokens without a role; `None` if no file says anything about them.
    """

    listed: tuple[AddedToken, ...]
    named: Mapping[str, Token | None]
    extra: tuple[Token, ...] | None


def read_added_tokens(
    folder: Path, config: Mapping[str, Any], in_tokenizer_json: Mapping[int, AddedToken]
) -> AddedTokens:
    """The tokens that the files of a folder add.

    If tokenizer_config.json lists them, as transformers writes it, nothing else counts. If not,
    they are in three older files.

    Args:
        folder: The tokenizer's folder.
        config: Its tokenizer_config.json.
        in_tokenizer_json: The added tokens in its tokenizer.json, by their ids.

    Raises:
        NoGraphError: A special token has a role or a form that is not known.
    """
    values = dict(config)
    if not values.get("extra_special_tokens") and "additional_special_tokens" in values:
        values["extra_special_tokens"] = values.pop("additional_special_tokens")
    _refuse_own_roles(values)
    listed: dict[int, AddedToken] = {}
    if "added_tokens_decoder" in values:
        for index, token in values["added_tokens_decoder"].items():
            listed[int(index)] = AddedToken(**token)
    else:
        values |= _special_tokens_map(folder, values)
        special = {str(values[role]) for role in ROLES if values.get(role)}
        special |= {str(token) for token in values.get("extra_special_tokens") or ()}
        for content, index in read_whole_json(folder / "added_tokens.json").items():
            is_special = content in special
            listed[index] = AddedToken(content, normalized=not is_special, special=is_special)
        listed |= in_tokenizer_json
    by_content = {token.content: token for token in listed.values()}
    named = {role: _given(values[role]) for role in ROLES if values.get(role) is not None}
    extra = values.get("additional_special_tokens")
    if values.get("extra_special_tokens") != {} and "extra_special_tokens" in values:
        extra = values["extra_special_tokens"] or ()
    return AddedTokens(
        listed=tuple(listed[index] for index in sorted(listed)),
        named={
            role: None if role not in named else by_content.get(str(named[role]), named[role])
            for role in ROLES
            if role in values
        },
        extra=None if extra is None else tuple(_given(token) for token in extra),
    )


def add_tokens(
    tokenizer: Tokenizer,
    tokens: AddedTokens,
    roles: Mapping[str, Token | None],
    extra: Iterable[Token],
) -> None:
    """Adds tokens to a tokenizer in the order of transformers, which decides their ids.

    Args:
        tokenizer: The tokenizer.
        tokens: What the files list.
        roles: The special token of each role, those that no file names included.
        extra: Special tokens without a role.
    """
    named = [token for role in ROLES if (token := roles.get(role)) is not None]
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    known |= {token.content for token in tokens.listed}
    added: list[Token] = list(tokens.listed)
    added += [token for token in (*named, *extra) if str(token) not in known]
    special = {str(token) for token in named}
    for index, token in enumerate(added):
        if isinstance(token, str):
            added[index] = AddedToken(token, special=True)
        elif token.content in special:
            token.special = True
    tokenizer.add_tokens(list(dict.fromkeys(added)))


def _refuse_own_roles(values: Mapping[str, Any]) -> None:
    others = [
        key
        for key, value in values.items()
        if key.endswith("_token") and key not in ROLES and isinstance(value, (str, dict))
    ]
    if isinstance(values.get("extra_special_tokens"), dict):
        others += values["extra_special_tokens"]
    if others:
        message = f"its tokenizer has a special token for a purpose of its own, {others[0]!r}"
        raise NoGraphError(message)


def _special_tokens_map(folder: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """What special_tokens_map.json says, as values of tokenizer_config.json."""
    found = read_whole_json(folder / "special_tokens_map.json")
    _refuse_own_roles(found)
    for key, value in found.items():
        if isinstance(value, dict):
            found[key] = AddedToken(**{**value, "special": True})
    if "extra_special_tokens" in found:
        before = values.get("extra_special_tokens") or []
        new = [token for token in found["extra_special_tokens"] if token not in before]
        found["extra_special_tokens"] = [*before, *new]
    return found


def _given(value: Any) -> Token:
    """A token as tokenizer_config.json writes it: a text, or an object that says what it is."""
    if isinstance(value, dict) and value.get("__type") == "AddedToken":
        return AddedToken(**{key: each for key, each in value.items() if key != "__type"})
    if isinstance(value, dict):
        message = f"its tokenizer has a special token in a form that is not known, {value!r:.60}"
        raise NoGraphError(message)
    token: Token = value
    return token
