"""Tests whether a model gives a pair in a batch the score that it gives the pair alone.

The reference for exactness is `CrossEncoder.predict` on one pair. Shorter pairs of a batch are
padded, and a model that reads the last position, or counts positions from the first, may read the
padding.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

Pairs: TypeAlias = Sequence[tuple[str, str]]
Rows: TypeAlias = NDArray[np.float32]
"""The output of a model's head for n pairs, `(n, columns)`."""

PROBES = [
    ("a", "b"),
    ("what is it", "this is a longer passage, with more words than the first one has"),
    ("a question that is longer than its answer", "no"),
]
"""Pairs of three lengths, so that two of them are padded in a batch."""

_TOLERANCES = {"fp32": 1e-4}
_TOLERANCE = 0.1
"""For half precisions, which change with the shape of a batch by less than this."""


def predicted_alone(model: "CrossEncoder", name: str) -> Rows | None:
    """The output of `predict` for each probe alone; `None` if the tokenizer cannot pad.

    Raises:
        ModelError: The model cannot score a pair.
    """
    if model.tokenizer is None or model.tokenizer.pad_token is None:
        return None  # predict needs padding even for one pair
    try:
        return np.concatenate([predicted(model, [pair]) for pair in PROBES])
    except Exception as error:
        message = (
            f"{name!r} cannot score a pair of short texts ({type(error).__name__}: {error}). Its "
            "files may be of another version of transformers, or of different models."
        )
        raise ModelError(message) from error


def predicted(model: "CrossEncoder", pairs: Pairs) -> Rows:
    """The output of `predict` for pairs in one batch, without an activation."""
    from torch import nn

    found = model.predict(
        list(pairs), activation_fn=nn.Identity(), batch_size=len(pairs), show_progress_bar=False
    )
    return np.asarray(found, np.float32).reshape(len(pairs), -1)


def gives(score: Callable[[], Rows], wanted: Rows, precision: str) -> bool:
    """Whether scoring gives the wanted output; it does not if the model raises."""
    tolerance = _TOLERANCES.get(precision, _TOLERANCE)
    try:
        found = score()
    except Exception:  # a model may raise anything for a batch
        return False
    return found.shape == wanted.shape and bool(
        np.allclose(found, wanted, rtol=tolerance, atol=tolerance)
    )
