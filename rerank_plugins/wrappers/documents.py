"""What wrappers do with the documents of a framework."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from rerank_plugins.checks.values import as_number
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.values import described
from rerank_plugins.results import Ranked, Span

_SCALE = "relevance_score_scale"
"""The fact that marks a score as a reranker's."""

_FACTS = frozenset(
    {
        _SCALE,
        "relevance_model_score",
        "relevance_truncated",
        "relevance_windows",
        "relevance_window",
        "relevance_spans",
    }
)
"""What metadata says of one reranking. It is false beside the score or the text of the next."""


class NoTextWarning(UserWarning):
    """Documents without text were scored as empty text."""


def check_kind(value: object, kind: type[Any], name: str, hint: str = "") -> Any:
    """Returns the value if it is an instance of the framework's class.

    Args:
        value: What the caller gave.
        kind: The class.
        name: Its name in messages.
        hint: How to make one. With a hint the value is not shown: it may be a secret.

    Raises:
        InvalidInputError: It is something else.
    """
    if not isinstance(value, kind):
        wanted = kind.__name__
        given = type(value).__name__ if hint else described(value)
        if type(value).__name__ == wanted:  # each framework has a Document
            wanted = f"{kind.__module__.partition('.')[0]} {wanted}"
            given = f"one of {type(value).__module__}"
            hint = hint or f"Make a {wanted} of it first."
        message = f"{name} must be a {wanted}, but got {given}. {hint}".rstrip()
        raise InvalidInputError(message)
    return value


def check_items(items: object, kind: type[Any], name: str) -> list[Any]:
    """Returns the items as a new list if all are instances of the framework's class.

    Raises:
        InvalidInputError: They are not, or one of them is not.
    """
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        message = f"{name} must be a list of {kind.__name__}, but got {described(items)}."
        raise InvalidInputError(message)
    return [check_kind(item, kind, f"{name}[{at}]") for at, item in enumerate(items)]


def readable_texts(texts: Iterable[Any], name: str) -> list[Any]:
    """Returns the texts of documents for the core; a document without text gets an empty one.

    Args:
        texts: One text per document, or `None` if it has none, as an image.
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


def named_scores(
    field: str | None,
    metadata: Sequence[Mapping[str, Any]],
    name: str,
    own: Sequence[Any] | None = None,
) -> list[Any] | None:
    """The first stage's scores of documents, for the core; `None` if no field of them is named.

    Args:
        field: The option `first_stage_score_field`.
        metadata: The metadata of each document.
        name: What the framework calls its documents, for messages.
        own: The scores that documents carry beside their metadata, as the field `score`.

    Raises:
        InvalidInputError: A document has no score there.
    """
    if field is None:
        return None
    if field == "score" and own is not None:
        found = list(own)
    else:
        found = [one.get(field) for one in metadata]
    for at, score in enumerate(found):
        if score is None:
            message = (
                f"{name}[{at}] has no {field!r}, which first_stage_score_field names; its metadata "
                f"has {', '.join(map(repr, metadata[at])) or 'nothing'}. Name another field, or "
                "leave the option out: the order of the documents then counts."
            )
            raise InvalidInputError(message)
    return found


def result_metadata(
    ranked: Ranked | None,
    metadata: Mapping[str, Any],
    *,
    annotate: bool,
    keep_retrieval_score: bool,
    spans: bool,
    retrieval_score: Any = None,
    start: Any = None,
) -> dict[str, Any]:
    """Returns a document's metadata as a wrapper gives it back: unchanged by default.

    To a framework, a document with other metadata is a different document. What an earlier
    reranker wrote about its own score is left out.

    Args:
        ranked: The document's place in the ranking; `None` if the time budget left it unscored.
        metadata: The metadata that the document came with.
        annotate: Add `relevance_score_scale`, `relevance_model_score` and `relevance_truncated`,
            which are `None` for an unscored document; and, where long passages are cut into
            windows, `relevance_windows` and `relevance_window`, which is `None` for a result
            without places. After an earlier reranker that did, the first is added in any case: it
            marks the score as a reranker's for the next one.
        keep_retrieval_score: Add `retrieval_score`, if it is known.
        spans: Add `relevance_spans`, which is `None` for an unscored document.
        retrieval_score: The score that the document came with. It is the first stage's unless the
            metadata shows an earlier reranking, whose own record is then kept.
        start: Where the document starts in what it was cut from; `None` if that is unknown.

    Returns:
        The metadata of before and the requested entries, with Python's own numbers.
    """
    found = {name: value for name, value in metadata.items() if name not in _FACTS}
    was_marked = _SCALE in metadata
    if annotate or was_marked:
        found[_SCALE] = ranked and ranked.scale
    if annotate:
        found["relevance_model_score"] = ranked and ranked.model_score
        found["relevance_truncated"] = ranked and ranked.truncated
        if ranked is not None and ranked.windows is not None:
            found["relevance_windows"] = ranked.windows
            found["relevance_window"] = ranked.window and list(ranked.window)  # for JSON
    if spans:
        found["relevance_spans"] = ranked and [_as_entry(span, start) for span in ranked.spans]
    if keep_retrieval_score:
        if "retrieval_score" in metadata or was_marked:
            retrieval_score = metadata.get("retrieval_score")
        if isinstance(retrieval_score, np.generic):
            retrieval_score = retrieval_score.item()
        if retrieval_score is not None:
            found["retrieval_score"] = retrieval_score
    return found


def without_places(ranked: Ranked | None) -> Ranked | None:
    """Returns the result of a document whose own text is not in what the model read.

    Spans, windows and what `compress` keeps are places in what was read, which mean nothing there.
    """
    return ranked and replace(ranked, window=None, spans=(), kept=None)


def moved_places(ranked: Ranked | None, start: Any) -> tuple[int, int] | tuple[None, None] | None:
    """Returns where a text that `compress` cut is in the source of the whole text.

    Args:
        ranked: The document's place in the ranking; `None` if the time budget left it unscored.
        start: Where the whole text starts in its source.

    Returns:
        Its first character there and the one behind the last. `(None, None)` if `compress` left
        something out in between: places behind an ellipsis do not count from any start. `None` if
        there is nothing to move: the text is whole, or its start is unknown.
    """
    place = _place(start)
    if ranked is None or ranked.kept is None or place is None:
        return None
    if len(ranked.kept) > 1:
        return None, None
    ((first, end),) = ranked.kept
    return place + first, place + end


def with_moved_start(
    metadata: Mapping[str, Any], ranked: Ranked | None, field: str
) -> dict[str, Any]:
    """Returns metadata in which the start of a text that `compress` cut is right, or left out.

    Args:
        metadata: The metadata of the document.
        ranked: The document's place in the ranking; `None` if the time budget left it unscored.
        field: The framework's name of the start.
    """
    places = moved_places(ranked, metadata.get(field))
    if places is None:
        return dict(metadata)
    others = {name: value for name, value in metadata.items() if name != field}
    return others if places[0] is None else {**others, field: places[0]}


def _place(start: Any) -> int | None:
    """A place in a text as an int, if it is one.

    Some vector stores give numbers back as floats, and splitters write -1 for a text that they did
    not find in its source.
    """
    number = as_number(start)
    return int(number) if number.is_integer() and number >= 0 else None


def _as_entry(span: Span, start: Any) -> dict[str, Any]:
    """A span as an entry of metadata, with its place in the source if that is known."""
    entry = asdict(span)
    if (place := _place(start)) is not None:
        entry |= {"source_start": place + span.start, "source_end": place + span.end}
    return entry
