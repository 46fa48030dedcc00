"""What a driver is asked, and what it answers. Every environment reads it."""

from dataclasses import dataclass
from typing import TypeAlias

Row: TypeAlias = tuple[int, float, str | None]
"""A result as the client gives it: place, score, and the document that the server sent back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that a client is to send.

    Attributes:
        driver: The module and the function that use the client; in Node a function alone.
        url: The client's base URL.
        token: What it sends as its key.
        model: The name of a model.
        query: The query.
        documents: Strings, or objects with `text` for clients that take objects.
        top_n: How many results are asked for; `None` is all.
        return_documents: Whether documents are to come back.
    """

    driver: str
    url: str
    token: str
    model: str
    query: str
    documents: list
    top_n: int | None
    return_documents: bool
