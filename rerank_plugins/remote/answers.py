"""The answers of rerank servers: bodies in, one score per pair or what went wrong out.

All dialects are read alike: a list of objects, bare or as `results` or `data`, each with `index`
and `score` or `relevance_score`.
"""

import json
import math
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.checks.values import as_number
from rerank_plugins.errors import ServerError
from rerank_plugins.messages.values import described
from rerank_plugins.remote.options import HttpScale

_SHOWN = 300
"""The most characters of a server's message that are shown."""

_CERTAIN = 1e-12
"""How far from 0 and 1 a probability is taken to be at least: its logit would be infinite."""


def scores_of(
    body: bytes, count: int, where: str, *, in_part: bool, key: str | None = None
) -> NDArray[np.float64]:
    """The scores of a request's pairs in their order, as the server gives them.

    Args:
        body: The body of the answer.
        count: How many pairs were sent.
        where: The server's name in messages.
        in_part: Whether the server says that it left some without a score: they have NaN.
        key: The key, which a message must not show.

    Raises:
        ServerError: The body does not have one finite number for each pair.
    """
    rows = _rows(body, where, key)
    scores = np.full(count, math.nan)
    for row in rows:
        at, score = _entry(row, where, key)
        if not 0 <= at < count:
            _refuse(where, f"a score for index {at} of {count} passages")
        if not math.isnan(scores[at]):
            _refuse(where, f"two scores for index {at}")
        scores[at] = score
    missing = np.flatnonzero(np.isnan(scores))
    if missing.size and not in_part:
        found = f"{count - missing.size} scores for {count} passages; index {missing[0]} has none"
        _refuse(where, found)
    return scores


def as_logits(scores: NDArray[np.float64], scale: HttpScale, where: str) -> NDArray[np.float64]:
    """The scores as logits, which every scorer gives: those of probabilities are their log odds.

    Raises:
        ServerError: A probability is not between 0 and 1.
    """
    if scale == "logit":
        return scores
    bad = np.flatnonzero((scores < 0.0) | (scores > 1.0))
    if bad.size:
        message = (
            f"{where} gave {scores[bad[0]]:g} as a probability. Give scale='logit' if its scores "
            "can be any number."
        )
        raise ServerError(message)
    inside = np.clip(scores, _CERTAIN, 1.0 - _CERTAIN)
    logits: NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
    return logits


def without_key(text: str, key: str | None) -> str:
    """A server's text without the key that was sent to it, for a message."""
    return text.replace(key, "***") if key else text


def message_of(body: bytes, key: str | None = None) -> str:
    """What an error's body says without the key, wherever the dialect puts it."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = body.decode("utf-8", "replace")
    while isinstance(said, (dict, list)):
        said = _inner(said)
    text = " ".join(without_key(str(said), key).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _inner(said: dict[str, Any] | list[Any]) -> Any:
    """The part of an error that has the message: FastAPI's is in a list."""
    if isinstance(said, list):
        return said[0] if said else ""
    names = ("message", "error", "detail", "msg")
    return next((said[name] for name in names if said.get(name)), json.dumps(said))


def _rows(body: bytes, where: str, key: str | None) -> list[Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        text = without_key(body.decode("utf-8", "replace"), key)
        _refuse(where, f"no JSON but {described(text)}")
    if isinstance(found, dict):
        found = found.get("results", found.get("data"))
    if not isinstance(found, list):
        _refuse(where, "no list of scores")
    return found


def _entry(row: Any, where: str, key: str | None) -> tuple[int, float]:
    """The index and the score of a row."""
    known: dict[str, Any] = row if isinstance(row, dict) else {}
    at: Any = known.get("index")
    score: Any = known.get("relevance_score", known.get("score"))
    if type(at) is not int or type(score) not in (int, float):
        shown = type(row).__name__ if key and key in repr(row) else described(row)
        _refuse(where, f"{shown}, which should have an index and a score")
    number = as_number(score)
    if not math.isfinite(number):
        _refuse(where, f"{number} as the score of index {at}")
    return at, number


def _refuse(where: str, found: str) -> NoReturn:
    message = (
        f"{where} gave {found}. Check that url= and dialect= name a rerank server of that dialect."
    )
    raise ServerError(message)
