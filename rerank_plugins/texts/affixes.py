"""Prefixes and suffixes around the texts of pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

from rerank_plugins.texts.passage import Passage

AFFIXES = ("query_prefix", "query_suffix", "passage_prefix", "passage_suffix")
"""The options that name them."""


def with_affixes(
    pairs: Sequence[tuple[str, str]], options: Mapping[str, Any]
) -> Sequence[tuple[str, str]]:
    """The pairs with the prefixes and suffixes of the options around their texts.

    Each window of a long passage has those of passages.
    """
    affixes = [options[name] for name in AFFIXES]
    if not any(affixes):
        return pairs
    before, after, before_passage, after_passage = affixes
    return [
        (
            f"{before}{query}{after}",
            Passage(given.text, before_passage + given.header, given.footer + after_passage),
        )
        for query, passage in pairs
        for given in [Passage.of(passage)]
    ]
