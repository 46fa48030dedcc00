"""What a dialect is, and the errors that most have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rerank_plugins.server.exchange import Answer, Ask, Kind, RefusedError
from rerank_plugins.server.fields import Fields
from rerank_plugins.server.own import spans_of

STATUS: Mapping[Kind, int] = {
    "malformed": 400,
    "empty": 400,
    "invalid": 400,
    "too_many": 400,
    "too_large": 413,
    "too_long": 400,
    "unauthorized": 401,
    "unknown_model": 404,
    "overloaded": 429,
    "failed": 500,
    "not_ready": 503,
    "too_late": 504,
}
"""The status codes of a dialect that has none of its own."""

_TYPES: Mapping[Kind, str] = {
    "empty": "Empty",
    "overloaded": "Overloaded",
    "failed": "Backend",
    "too_late": "Backend",
    "not_ready": "Unhealthy",
}
"""What text-embeddings-inference calls an error; the others are `Validation`."""

ErrorBody: TypeAlias = Callable[[RefusedError, int], dict[str, Any]]


def plain_error(refused: RefusedError, status: int) -> dict[str, Any]:
    """The error under each name that clients look for it."""
    message = str(refused)
    kind = _TYPES.get(refused.kind, "Validation")
    return {"error": message, "error_type": kind, "message": message, "detail": message}


def nested_error(refused: RefusedError, status: int) -> dict[str, Any]:
    """The same for clients that look for an object in `error`."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": str(refused), "type": kind, "param": None, "code": status}
    return {**plain_error(refused, status), "error": error}


def places(answer: Answer) -> list[dict[str, Any]]:
    """Each hit as its place and its score, with its text if texts are to come back."""
    documents = answer.ask.documents
    return [
        {"index": hit.index, "score": hit.score}
        | ({"text": documents[hit.index]} if documents else {})
        | spans_of(answer, hit)
        for hit in answer.hits
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A way of asking for scores.

    Attributes:
        name: Its name.
        read: Makes a request of a body; raises `RefusedError`.
        write: Makes the body of an answer.
        example: A body that it reads, for the pages and the tests.
        statuses: The status codes that are its own.
        error: Makes the body of an error.
    """

    name: str
    read: Callable[[Fields], Ask]
    write: Callable[[Answer], Any]
    example: Mapping[str, Any]
    statuses: Mapping[Kind, int] = field(default_factory=dict)
    error: ErrorBody = plain_error

    def status(self, refused: RefusedError) -> int:
        """The status code of an error."""
        return self.statuses.get(refused.kind, STATUS[refused.kind])


QUERY = "Why does bread dough rise?"
DOCUMENTS = ("Copper roofs turn green.", "Yeast in the dough makes gas, which lifts the bread.")
"""What the examples ask."""
