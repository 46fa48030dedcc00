"""Manuals in HTML turned into pairs: a section's title, and a passage of the section.

Any folder of pages serves, such as `/usr/share/doc/python3.11/html` of Debian's package
`python3.11-doc`. Code, menus and lists of links are left out, and text that is not English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from embedded_model.sources.pairs import Pair
from rerank_plugins.errors import InvalidInputError

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code del dfn em font i img ins kbd label mark q s samp "
    "small span strike strong sub sup time tt u var wbr".split()
)
_SKIPPED = frozenset(
    "aside button footer form header math nav pre script select style svg textarea".split()
)
_SKIPPED_CLASS = re.compile(
    r"(?:^|\s)(?:sphinxsidebar\w*|related|nav[\w-]*|menu[\w-]*|sidebar-\w+|toc(?:tree)?|"
    r"breadcrumbs?|footer|headerlink|highlight[\w-]*|programlisting|screen|literalblock|copyright|"
    r"legalnotice|index)(?:\s|$)"
)
_LEFT_OPEN = frozenset(  # tags that may have no end, and so cannot say where to read on
    "area base body br col dd dt hr html img input li link meta p param source td th tr wbr".split()
)
_SKIPPED_PAGE = re.compile(
    r"(?:gen|py-mod|theory_?|doc-?)index|.*-modindex|search|toc|contents|changelog|changes|news|"
    r"copy(?:ing|right)|licen[sc]es?|gfdl|gpl|fdl",
    flags=re.IGNORECASE,
)
_SKIPPED_SECTION = re.compile(
    r"(?:table of )?contents|(?:general |concept |function )?index|see also|copyright.*|"
    r"licen[sc]e.*|references|bibliography|navigation|this page|"
    r"gnu (?:free|general|lesser) .*|.*gfdl.*",
    flags=re.IGNORECASE,
)
_NUMBERING = re.compile(
    r"(?:(?:chapter|appendix|part|section)\s+[\dA-Z]+(?:\.\d+)*[.:]?\s+|[A-Z]?\d*(?:\.\d+)+\.?\s+|"
    r"[A-Z\d]+\.\s+|\d+\s+)",
    flags=re.IGNORECASE,
)
_SITE = re.compile(r"\s+(?:[|<\u2014\u2013]|-{1,2})\s+.*|\s*\(.*\)$")
_ENGLISH = frozenset("the of to a an and in is are for be that with by on it this as or".split())
_TARGETS = (40, 80, 120)
_LONGEST = 180
_SHORTEST = 20
_PASSAGES = 3  # a title says little of what comes long after it


def manual_pairs(folder: Path) -> Iterator[Pair]:
    """Yields one pair per passage: the title of its section, and 20 to 180 words of its text.

    A title of one or two words comes with its page's. Each paragraph is used once, and a section
    gives three passages at most.

    Raises:
        InvalidInputError: The folder is missing, or holds no page with English text.
    """
    if not folder.is_dir():
        msg = f"there is no folder {folder}; give a folder of HTML pages."
        raise InvalidInputError(msg)
    seen: set[str] = set()
    number = 0
    for path in sorted(folder.rglob("*.*htm*")):
        if path.suffix not in {".html", ".htm", ".xhtml"} or _SKIPPED_PAGE.fullmatch(path.stem):
            continue
        if not path.is_file():  # a link to what another package holds
            continue
        page = _Page()
        page.feed(_text(path))
        page.close()
        page.end_block()
        for heading, blocks in page.sections:
            query = _query(page.title, heading)
            fresh = [block for block in dict.fromkeys(blocks) if block not in seen]
            seen.update(fresh)
            if not query:
                continue
            for passage in _passages(fresh, _TARGETS[number % len(_TARGETS)]):
                number += 1
                yield Pair(query, passage)
    if not number:
        msg = f"{folder} holds no HTML page with English text; give a folder of HTML pages."
        raise InvalidInputError(msg)


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _query(title: str, heading: str) -> str:
    title, heading = (
        _NUMBERING.sub("", text.strip(" #\u00b6"), count=1) for text in (title, heading)
    )
    title = _SITE.sub("", title).strip()
    if _SKIPPED_SECTION.fullmatch(heading) or _SKIPPED_SECTION.fullmatch(title):
        return ""
    if not heading or len(heading.split()) > 2 or title.casefold() in heading.casefold():
        return heading or title
    return f"{title}: {heading}" if title else heading


def _passages(blocks: list[str], target: int) -> Iterator[str]:
    found: list[list[str]] = [[]]
    for block in blocks:
        words = block.split()
        if len(found[-1]) >= target or (found[-1] and len(found[-1]) + len(words) > _LONGEST):
            found.append([])
        found[-1] += words
    for words in found[:_PASSAGES]:
        if len(words) >= _SHORTEST:
            yield " ".join(words[:_LONGEST])


def _is_english(text: str) -> bool:
    words = text.casefold().split()
    common = sum(word in _ENGLISH for word in words)
    plain = sum(character.isascii() for character in text)
    return len(words) >= 5 and common >= 0.12 * len(words) and plain >= 0.95 * len(text)


class _Page(HTMLParser):
    """Reads a page into its title and its sections, each a heading and blocks of text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.sections: list[tuple[str, list[str]]] = [("", [])]
        self._text: list[str] = []
        self._linked = 0
        self._in_link = False
        self._skipped = ""  # the tag whose content is left out
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Ends the block before a block's tag; notes links and what to leave out."""
        if self._skipped:
            self._depth += tag == self._skipped
            return
        classes = dict(attrs).get("class") or ""
        unwanted = tag in _SKIPPED or _SKIPPED_CLASS.search(classes) is not None
        if tag not in _INLINE:
            self.end_block()
        if unwanted and tag not in _LEFT_OPEN:
            self._skipped, self._depth = tag, 1
        elif tag == "a":
            self._in_link = True

    def handle_endtag(self, tag: str) -> None:
        """Ends the block, the heading or the title that the tag closes."""
        if self._skipped:
            self._depth -= tag == self._skipped
            if not self._depth:
                self._skipped = ""
        elif tag == "a":
            self._in_link = False
        elif tag == "title":
            self.title = self.title or self._take()
        elif tag in _HEADINGS:
            self.sections.append((self._take(), []))
        elif tag not in _INLINE:
            self.end_block()

    def handle_data(self, data: str) -> None:
        """Adds text to the block."""
        if not self._skipped:
            self._text.append(data)
            self._linked += len(data) if self._in_link else 0

    def end_block(self) -> None:
        """Keeps the text since the last block if it is English and not mostly links."""
        linked = self._linked
        text = self._take()
        if _is_english(text) and linked < 0.5 * len(text):
            self.sections[-1][1].append(text)

    def _take(self) -> str:
        text = " ".join("".join(self._text).split())
        self._text, self._linked = [], 0
        return text
