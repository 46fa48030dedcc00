"""Checks of queries, passages and pairs."""

from collections.abc import Iterable, Sequence

import numpy as np

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.values import described


def check_query(query: object) -> str:
    """Returns the query if it is a string."""
    if not isinstance(query, str):
        message = f"query must be a string, but got {described(query)}. Pass the text of the query."
        raise InvalidInputError(message)
    return query


def check_passages(passages: object) -> list[str]:
    """Returns the passages as a new list if they are an iterable of strings."""
    if isinstance(passages, (str, bytes)) or not isinstance(passages, Iterable):
        message = (
            f"passages must be a list of strings, but got {described(passages)}. "
            "To score a single passage, pass it in a list: [passage]."
        )
        raise InvalidInputError(message)
    checked = list(passages)
    for position, passage in enumerate(checked):
        if not isinstance(passage, str):
            message = (
                f"passages[{position}] must be a string, but got {described(passage)}. "
                "Pass the text of each passage, and leave out passages without text."
            )
            raise InvalidInputError(message)
    return checked


def check_pairs(pairs: object) -> list[tuple[str, str]]:
    """Returns the pairs as a new list of (query, passage) tuples; an array has one pair per row."""
    if isinstance(pairs, (str, bytes)) or not isinstance(pairs, Iterable):
        message = f"pairs must be a list of (query, passage) tuples, but got {described(pairs)}."
        raise InvalidInputError(message)
    checked = []
    for position, given in enumerate(pairs):
        pair = given.tolist() if isinstance(given, np.ndarray) else given
        if (
            isinstance(pair, str)
            or not isinstance(pair, Sequence)
            or len(pair) != 2
            or not all(isinstance(text, str) for text in pair)
        ):
            message = (
                f"pairs[{position}] must be a (query, passage) tuple of two strings, "
                f"but got {described(given)}."
            )
            raise InvalidInputError(message)
        checked.append((pair[0], pair[1]))
    return checked
