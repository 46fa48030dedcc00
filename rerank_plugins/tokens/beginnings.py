"""The beginning of a long text: where it may be cut without a change to its first tokens.

A pair holds no more tokens than `max_length`, and a text may have a million times as many. Most
tokenizers split at white space before all else, and what they make of the words before it does not
depend on what comes behind; of a text they are given no more than a pair needs.
"""

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# White space between letters, digits and ASCII signs: next to combining marks and the like,
# normalizers may take it for a part of its neighbours.
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
"""Those that change a character by its neighbours at most, and white space to white space."""

_SPLITTERS = {"BertPreTokenizer", "ByteLevel", "Metaspace", "Whitespace", "WhitespaceSplit"}
"""Those that leave no word with white space in it, unless their options say otherwise."""

_BEFORE_SPLITTERS = {"Digits", "Punctuation"}


def where_to_cut(tokenizer: "Tokenizer") -> re.Pattern[str] | None:
    """What `head` takes for texts of this tokenizer; `None`: it must be given the whole text.

    Known of the kinds that WordPiece, byte-level BPE and SentencePiece models come with; others,
    such as those that split by a regular expression of their own, are given the whole text.
    """
    parts: dict[str, Any] = json.loads(tokenizer.to_str())
    splitter = _splitter(_steps(parts["pre_tokenizer"], "pretokenizers"))
    blanks_only = splitter == "Metaspace"
    if (
        splitter is None
        or any(re.search(r"\S\s", token["content"]) for token in parts["added_tokens"])
        or not all(
            _keeps_white_space(step, blanks_only)
            for step in _steps(parts["normalizer"], "normalizers")
        )
    ):
        return None
    return _AT_BLANKS if blanks_only else _AT_WHITE_SPACE


def head(text: str, characters: int, where: re.Pattern[str] | None) -> str:
    """The longest beginning within so many characters whose tokens are the first of the text's.

    Args:
        text: The text.
        characters: Most characters of the beginning.
        where: What `where_to_cut` says.

    Returns:
        The whole text if it is no longer or must be whole; `""` if it has no place for a cut.
    """
    if where is None or len(text) <= characters:
        return text
    found = where.match(text, 0, characters)
    return found.group() if found else ""


def _steps(part: dict[str, Any] | None, members: str) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, those of sequences in it one by one."""
    if part is None:
        return []
    if part["type"] != "Sequence":
        return [part]
    return [step for member in part[members] for step in _steps(member, members)]


def _splitter(steps: list[dict[str, Any]]) -> str | None:
    """Which step of a pre-tokenizer splits at white space before any splits otherwise."""
    for step in steps:
        kind: str = step["type"]
        if kind in _SPLITTERS:
            return kind if step.get("use_regex", True) and step.get("split", True) else None
        if kind not in _BEFORE_SPLITTERS:
            return None
    return None


def _keeps_white_space(step: dict[str, Any], blanks_only: bool) -> bool:
    """Whether a step of a normalizer leaves it to the splitter."""
    if step["type"] != "Replace":
        return step["type"] in _NORMALIZERS
    pattern, content = step["pattern"], step["content"]
    if "String" in pattern:
        return not re.search(r"\s", pattern["String"])
    return pattern == {"Regex": " {2,}"} and (content == " " or (blanks_only and content == "▁"))
