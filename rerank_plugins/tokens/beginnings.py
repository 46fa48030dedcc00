"""The beginning of a long text: where a text may be cut without changing its first tokens.

A pair holds `max_length` tokens, and a text may have a million times as many. Most tokenizers split
at white space first, and the tokens before it do not depend on the text after it. Such tokenizers
are given only as much of a text as a pair needs.
"""

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer
    from tokenizers.pre_tokenizers import PreTokenizer

# White space between letters, digits and ASCII signs: normalizers may join other white space with
# its neighbours, such as combining marks.
_AT_WHITE_SPACE = re.compile(r"(?s).*[\w!-~](?=[ \t\r\n]+[\w!-~])")
_AT_BLANKS = re.compile(r"(?s).*[\w!-~](?= +[\w!-~])")

_NORMALIZERS = {
    "BertNormalizer",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Nmt",
    "Precompiled",
    "Prepend",
    "Strip",
    "StripAccents",
}
"""Normalizers that look no further than a character's neighbours and keep white space."""

_SPLITTERS = {"BertPreTokenizer", "ByteLevel", "Metaspace", "Whitespace", "WhitespaceSplit"}
"""Pre-tokenizers that leave no white space within a word, unless their options say otherwise."""

_BEFORE_SPLITTERS = {"Digits", "Punctuation"}


def where_to_cut(tokenizer: "Tokenizer") -> re.Pattern[str] | None:
    """Where `head` may cut texts for this tokenizer; `None` if it needs whole texts.

    The tokenizers of WordPiece, byte-level BPE and SentencePiece models are known. All others need
    whole texts, for example tokenizers that split by a regular expression of their own.
    """
    splitter = _splitter(_steps(tokenizer.pre_tokenizer, "pretokenizers"))
    blanks_only = splitter == "Metaspace"
    added = tokenizer.get_added_tokens_decoder().values()
    if (
        splitter is None
        or any(re.search(r"\S\s", token.content) for token in added)
        or not all(
            _keeps_white_space(step, blanks_only)
            for step in _steps(tokenizer.normalizer, "normalizers")
        )
    ):
        return None
    return _AT_BLANKS if blanks_only else _AT_WHITE_SPACE


def head(text: str, characters: int, where: re.Pattern[str] | None) -> str:
    """The longest beginning of a text, within a limit, whose tokens are the text's first tokens.

    Args:
        text: The text.
        characters: The most characters of the beginning.
        where: What `where_to_cut` returned.

    Returns:
        The whole text if it is within the limit or must stay whole; `""` if it cannot be cut.
    """
    if where is None or len(text) <= characters:
        return text
    found = where.match(text, 0, characters)
    return found.group() if found else ""


def _steps(part: "Normalizer | PreTokenizer | None", members: str) -> list[dict[str, Any]]:
    """The single steps of a normalizer or pre-tokenizer, in order."""
    # What it pickles to is its JSON; that of the whole tokenizer has all of the vocabulary.
    return [] if part is None else _flat(json.loads(part.__getstate__()), members)


def _flat(step: dict[str, Any], members: str) -> list[dict[str, Any]]:
    if step["type"] != "Sequence":
        return [step]
    return [inner for member in step[members] for inner in _flat(member, members)]


def _splitter(steps: list[dict[str, Any]]) -> str | None:
    """The step of a pre-tokenizer that splits at white space, if none splits otherwise before."""
    for step in steps:
        kind: str = step["type"]
        if kind in _SPLITTERS:
            return kind if step.get("use_regex", True) and step.get("split", True) else None
        if kind not in _BEFORE_SPLITTERS:
            return None
    return None


def _keeps_white_space(step: dict[str, Any], blanks_only: bool) -> bool:
    """Whether a step of a normalizer keeps white space for the splitter."""
    if step["type"] != "Replace":
        return step["type"] in _NORMALIZERS
    pattern, content = step["pattern"], step["content"]
    if "String" in pattern:
        return not re.search(r"\s", pattern["String"])
    return pattern == {"Regex": " {2,}"} and (content == " " or (blanks_only and content == "▁"))
