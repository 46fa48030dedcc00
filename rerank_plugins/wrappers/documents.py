"""Documents of a framework in and out."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.values import described
from rerank_plugins.results import Ranked


class NoTextWarning(UserWarning):
    """Documents without text were scored as empty text."""


def check_kind(value: object, kind: type[Any], name: str, hint: str = "") -> Any:
    """`value`, if it is of the framework's own kind.

    Args:
        value: What the caller gave.
        kind: The class it has to be of.
        name: What messages call it.
        hint: How to make one. With a hint the value is not shown: it may be a secret.

    Raises:
        InvalidInputError: It is something else.
    """
    if not isinstance(value, kind):
        given = type(value).__name__ if hint else described(value)
        message = f"{name} must be a {kind.__name__}, but got {given}. {hint}".rstrip()
        raise InvalidInputError(message)
    return value


def check_items(items: object, kind: type[Any], name: str) -> list[Any]:
    """The items as a new list, if they are an iterable of the framework's own kind.

    Raises:
        InvalidInputError: They are not, or one of them is not.
    """
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        message = f"{name} must be a list of {kind.__name__}, but got {described(items)}."
        raise InvalidInputError(message)
    return [check_kind(item, kind, f"{name}[{at}]") for at, item in enumerate(items)]


def readable_texts(texts: Iterable[Any], name: str) -> list[Any]:
    """The texts of documents, as the core takes them: a document without text has an empty one.

    Args:
        texts: One text per document; `None` where it has none, as an image.
        name: What the framework calls its documents, for the warning.

    Warns:
        NoTextWarning: Once per call, with the number of texts that are missing or blank.
    """
    found = ["" if text is None else text for text in texts]
    blank = sum(isinstance(text, str) and not text.strip() for text in found)
    if blank:
        message = (
            f"{blank} of {len(found)} {name} without text, scored as empty text. Images and other "
            f"{name} that have nothing to read are better left out before the reranker."
        )
        warnings.warn(message, NoTextWarning, stacklevel=2)
    return found


def result_metadata(
    ranked: Ranked,
    metadata: Mapping[str, Any],
    *,
    annotate: bool,
    keep_retrieval_score: bool,
    retrieval_score: Any = None,
) -> dict[str, Any]:
    """What a wrapper adds to a document's metadata, besides the score itself: by default nothing.

    Frameworks take a document with other metadata for another document.

    Args:
        ranked: The document's place in the ranking.
        metadata: The metadata that the document came with.
        annotate: Add `relevance_score_scale` and `relevance_truncated`.
        keep_retrieval_score: Add `retrieval_score`, if it is known.
        retrieval_score: The score that the document came with. It is the first stage's unless the
            metadata tell of an earlier reranking; what that one kept stays.

    Returns:
        What was asked for, numpy's numbers as Python's.
    """
    added: dict[str, Any] = {}
    if annotate:
        added["relevance_score_scale"] = ranked.scale
        added["relevance_truncated"] = ranked.truncated
    if keep_retrieval_score:
        if "retrieval_score" in metadata or "relevance_score_scale" in metadata:
            retrieval_score = metadata.get("retrieval_score")
        if isinstance(retrieval_score, np.generic):
            retrieval_score = retrieval_score.item()
        if retrieval_score is not None:
            added["retrieval_score"] = retrieval_score
    return added
