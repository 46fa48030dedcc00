"""Whether a model gives a pair in a batch the score that it gives the pair alone.

`CrossEncoder.predict` on one pair is what exact means. In a batch shorter pairs are filled up, and
a model that reads the last place, or counts places from the first, reads the filling.
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
"""What a model's head gives for n pairs, `(n, columns)`."""

PROBES = [
    ("a", "b"),
    ("what is it", "this is a longer passage, with more words than the first one has"),
    ("a question that is longer than its answer", "no"),
]
"""Pairs of three lengths, so that two are filled up when they share a batch."""

_TOLERANCES = {"fp32": 1e-4}
_TOLERANCE = 0.1
"""Of half precisions: what another shape of the batch changes, and more."""


def predicted_alone(model: "CrossEncoder", name: str) -> Rows | None:
    """What `predict` gives for each probe alone; `None` where its tokenizer cannot pad.

    Raises:
        ModelError: The model cannot score a pair.
    """
    if model.tokenizer is None or model.tokenizer.pad_token is None:
        return None  # predict asks for padding, even of one pair
    try:
        return np.concatenate([predicted(model, [pair]) for pair in PROBES])
    except Exception as error:
        message = (
            f"{name!r} cannot score a pair of short texts ({type(error).__name__}: {error}). Its "
            "files may be of another version of transformers, or of different models."
        )
        raise ModelError(message) from error


def predicted(model: "CrossEncoder", pairs: Pairs) -> Rows:
    """What `predict` gives for pairs in one batch, without an activation."""
    from torch import nn

    found = model.predict(
        list(pairs), activation_fn=nn.Identity(), batch_size=len(pairs), show_progress_bar=False
    )
    return np.asarray(found, np.float32).reshape(len(pairs), -1)


def gives(score: Callable[[], Rows], wanted: Rows, precision: str) -> bool:
    """Whether scoring gives what is wanted; a model that refuses does not."""
    tolerance = _TOLERANCES.get(precision, _TOLERANCE)
    try:
        found = score()
    except Exception:  # whatever a model raises for batches
        return False
    return found.shape == wanted.shape and bool(
        np.allclose(found, wanted, rtol=tolerance, atol=tolerance)
    )
