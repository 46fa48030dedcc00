"""TREC topics: queries between <top> and </top>, as the tracks publish them."""

import re
from collections.abc import Sequence

from rerank_plugins.errors import InvalidInputError

TOPIC_START = re.compile(r"\s*<top\b", re.IGNORECASE)
"""How the first line of such a file that is not blank begins."""

_TOPIC = re.compile(r"<top>(.*?)</top>", re.IGNORECASE | re.DOTALL)
_FIELD = re.compile(r"<(num|title|desc)>\s*(?:(?:Number|Topic|Description)\s*:)?([^<]*)", re.I)


def read_topics(lines: Sequence[str], name: str) -> dict[str, str]:
    """Topic number -> its title, or its description where it has no title.

    Args:
        lines: The file's lines.
        name: What messages call it.

    Raises:
        InvalidInputError: A topic lacks its number or a text, or there is none.
    """
    queries = {}
    for place, topic in enumerate(_TOPIC.findall("\n".join(lines)), start=1):
        fields = {tag.lower(): " ".join(text.split()) for tag, text in _FIELD.findall(topic)}
        text = fields.get("title") or fields.get("desc")
        if not fields.get("num") or not text:
            message = (
                f"{name}, topic {place} lacks a <num> or a <title>. A topic is <top>, <num> 301, "
                "<title> its text, </top>."
            )
            raise InvalidInputError(message)
        queries[fields["num"]] = text
    if not queries:
        message = f"{name} has a <top>, but no </top>. Topics stand between <top> and </top>."
        raise InvalidInputError(message)
    return queries
