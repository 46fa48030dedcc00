"""Open collections turned into sources: WordNet, package descriptions, dictionaries, manuals.

`python -m embedded_model.sources.open_texts wordnet /usr/share/wordnet data/wordnet` writes a
`pairs.jsonl` that a recipe names like any other source. So do `debian Translation-en
data/debian`, `dictionary /usr/share/dictd/gcide data/gcide` and `manual FOLDER data/manual`.
They bring words and subjects that collections of questions lack. WordNet's files are in Debian's
package `wordnet-base`; `Translation-en` is in `dists/bookworm/main/i18n/` of a Debian mirror,
to be unpacked first; a manual is a folder of HTML pages.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from embedded_model.sources.open_dictionaries import ASKED, dictionary_pairs
from embedded_model.sources.open_manuals import manual_pairs
from embedded_model.sources.pairs import Pair
from rerank_plugins.errors import InvalidInputError

_PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
_HELD = ("{definition}", "{word}: {definition}", "{words} - {definition}", "{definition}. {use}")
_MARKER = re.compile(r"\((?:a|p|ip)\)$")
_SHORTEST_PARAGRAPH = 40
_BOILERPLATE = re.compile(r"This (?:metapackage|package (?:contains|provides|is))")


def wordnet_pairs(folder: Path) -> Iterator[Pair]:
    """Yields one pair per meaning: its first word, asked in one of five ways, and its definition.

    Raises:
        InvalidInputError: A part of WordNet's database is missing in `folder`.
    """
    number = 0
    for part in _PARTS_OF_SPEECH:
        path = folder / f"data.{part}"
        if not path.is_file():
            msg = (
                f"{folder} has no data.{part}; give the folder of WordNet's database files, "
                "/usr/share/wordnet with Debian's package wordnet-base."
            )
            raise InvalidInputError(msg)
        for line in path.read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):  # the licence
                continue
            entry, _, gloss = line.partition(" | ")
            fields = entry.split()
            found = [fields[4 + 2 * place] for place in range(int(fields[3], 16))]
            words = [_MARKER.sub("", word).replace("_", " ") for word in found]
            definition, *uses = (text.strip(' ;"') for text in re.split(r';\s*"', gloss.strip()))
            if not definition:
                continue
            form = _HELD[number % len(_HELD)]
            text = form.format(
                definition=definition,
                word=words[0],
                words=", ".join(words),
                use=uses[0] if uses else "",
            )
            asked = ASKED[number // len(_HELD) % len(ASKED)].format(words[0])
            number += 1
            yield Pair(asked, text.strip())


def debian_pairs(descriptions: Path) -> Iterator[Pair]:
    """Yields one pair per paragraph: a package's one-line summary, and the paragraph about it.

    A paragraph that several packages share comes once.

    Raises:
        InvalidInputError: The file is missing, or holds no description.
    """
    if not descriptions.is_file():
        msg = f"there is no file {descriptions}; give a Debian mirror's Translation-en, unpacked."
        raise InvalidInputError(msg)
    seen: set[str] = set()
    found = False
    for record in descriptions.read_text(encoding="utf-8").split("\n\n"):
        match = re.search(r"^Description-en: (.*)\n((?: .*\n?)*)", record, flags=re.MULTILINE)
        if match is None:
            continue
        found = True
        about = re.sub(r"\s*\([^)]*\)$", "", match[1]).strip()
        for paragraph in re.sub(r"^ ", "", match[2], flags=re.MULTILINE).split("\n.\n"):
            text = " ".join(paragraph.split())
            if len(text) >= _SHORTEST_PARAGRAPH and text not in seen:
                seen.add(text)
                if not _BOILERPLATE.match(text):
                    yield Pair(about, text)
    if not found:
        msg = f"{descriptions} holds no Description-en; give a Debian mirror's Translation-en."
        raise InvalidInputError(msg)


_KINDS: dict[str, Callable[[Path], Iterator[Pair]]] = {
    "wordnet": wordnet_pairs,
    "debian": debian_pairs,
    "dictionary": dictionary_pairs,
    "manual": manual_pairs,
}


def main(arguments: list[str]) -> None:
    """Writes the source that the arguments ask for."""
    if len(arguments) != 3 or arguments[0] not in _KINDS:
        sys.exit(f"usage: python -m {__spec__.name} {'|'.join(_KINDS)} FROM TO_FOLDER")
    kind, source, folder = arguments[0], Path(arguments[1]), Path(arguments[2])
    try:
        rows = [
            json.dumps({"query": pair.query, "positive": pair.passage}, ensure_ascii=False)
            for pair in _KINDS[kind](source)
        ]
    except InvalidInputError as error:
        sys.exit(str(error))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pairs.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(rows)} pairs in {folder / 'pairs.jsonl'}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
