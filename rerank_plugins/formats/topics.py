"""TREC topics: queries between <top> and </top>, or between <topic> and </topic>."""

import html
import re
from collections.abc import Sequence

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats.lines import texts_by_id

TOPIC_START = re.compile(r"\s*<(!--|(\?xml|topics?|top)\b)", re.IGNORECASE)
"""Matches the beginning of the first line that is not blank in a file of topics."""

_COMMENT_OR_CDATA = re.compile(r"<!--.*?-->|<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_TOPIC = re.compile(r"<(top|topic)(?=[\s>])([^>]*)>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_ATTRIBUTE = re.compile(r"""(?:^|\s)(number|num|id)\s*=\s*["']([^"']*)["']""", re.IGNORECASE)
_FIELD = re.compile(
    r"<(num|title|query|desc|description)>\s*(?:(?:Number|Topic|Description)\s*:)?"
    r"((?:[^<]|<(?!/?[a-z][\w-]*(?:\s[^<>]*)?>|[?!]))*)",  # a "<" that begins no tag is text
    re.IGNORECASE,
)


def read_topics(lines: Sequence[str], name: str) -> dict[str, str]:
    """Topic number -> its title or query, or its description if it has neither.

    The number is the text of <num> or an attribute of <topic>.

    Args:
        lines: The file's lines.
        name: The file's name in messages.

    Raises:
        InvalidInputError: A topic has no number or no text, two topics with the same number differ,
            or there is no topic.
    """
    queries = []
    text = _COMMENT_OR_CDATA.sub(lambda found: html.escape(found[1] or ""), "\n".join(lines))
    for place, (_, attributes, topic) in enumerate(_TOPIC.findall(text), start=1):
        fields = {tag.lower(): _plain(text) for tag, text in _FIELD.findall(topic)}
        names = {name.lower(): value.strip() for name, value in _ATTRIBUTE.findall(attributes)}
        numbers = (*(names.get(name) for name in ("number", "num", "id")), fields.get("num"))
        number = next(filter(None, numbers), "")
        texts = (fields.get(tag) for tag in ("title", "query", "desc", "description"))
        query = next(filter(None, texts), None)
        if not number or not query:
            message = (
                f"{name}, topic {place} lacks a <num> or a <title>. A topic is <top>, <num> 301, "
                '<title> its text, </top>, or <topic number="301"><query>its text</query></topic>.'
            )
            raise InvalidInputError(message)
        queries.append((number, query))
    if not queries:
        message = (
            f"{name} has topics that begin but no </top> or </topic>. A topic stands between <top> "
            "and </top>, or between <topic> and </topic>."
        )
        raise InvalidInputError(message)
    return texts_by_id(queries, name)


def _plain(text: str) -> str:
    """Text without line breaks and character entities such as &amp;."""
    return " ".join(html.unescape(text).split())
