"""Traps: texts that have a question's words and answer nothing."""

from __future__ import annotations

import re

import numpy as np

_WORD = re.compile(r"\w+")
_BETWEEN = (" ", "\n", ". ", ", ", "? ", " | ")
_MOST_WORDS = 240
"""Words of a repeated question at most: longer texts only cost time."""

_CODE = (
    "class {title}:\n    {args} = range({count})\n\n    def {last}(me):\n        return me.{first}",
    "const {snake} = ({args}) => {{\n  return {first}.{last}({args});\n}};",
    "SELECT {args}\nFROM {snake}\nWHERE {first} = {last};",
    'import {dotted}\n\n\ndef test_{snake}():\n    assert {dotted}({count}) == "{spaced}"',
    '{{"{snake}": [{quoted}], "{first}": {count}}}',
    "{upper} = os.environ.get('{upper}', {count})\nlog.info('{spaced}')",
    '<div class="{dashed}" id="{last}">\n  <a href="/{slashed}">{first}</a>\n</div>',
    "for {first} in {last}:\n    print({plus})",
)


def repeated(query: str, rng: np.random.Generator) -> str:
    """Returns the query, or most of its words, from 2 to 40 times over."""
    words = query.split()
    times = min(round(2 * 20 ** rng.random()), max(2, _MOST_WORDS // len(words)))
    between = _BETWEEN[int(rng.integers(len(_BETWEEN)))]
    shuffles = rng.random() < 0.3
    drops = rng.random() < 0.3
    copies = []
    for _ in range(times):
        order = rng.permutation(len(words)) if shuffles else range(len(words))
        kept = [words[place] for place in order if not drops or rng.random() < 0.8]
        copies.append(" ".join(kept or words))
    return between.join(copies)


def code_of_words(query: str, rng: np.random.Generator) -> str:
    """Returns code that is named after the query's words; the query if it has no words."""
    words = _WORD.findall(query.lower())
    if not words:
        return query
    template = _CODE[int(rng.integers(len(_CODE)))]
    return template.format(
        title="".join(word.title() for word in words),
        snake="_".join(words),
        dotted=".".join(words),
        dashed="-".join(words),
        slashed="/".join(words),
        upper="_".join(words).upper(),
        spaced=" ".join(words),
        quoted=", ".join(f'"{word}"' for word in words),
        plus=" + ".join(words),
        args=", ".join(words),
        first=words[0],
        last=words[-1],
        count=int(rng.integers(100)),
    )


def trap(query: str, rng: np.random.Generator) -> str:
    """Returns one of the two."""
    return (repeated if rng.random() < 0.5 else code_of_words)(query, rng)
