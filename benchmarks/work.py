"""How many operations an encoder needs for a pair; a multiplication with its addition is two."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of an encoder.

    Attributes:
        layers: Layers.
        width: Width of the states.
        heads: Heads of attention.
        inner: Width inside the feed-forward part.
        gated: Whether that part has a third product, whose result is a gate.
        last: What the last layer computes for all tokens: `"nothing"` if only the first token is
            read and there are no rotary positions, so that its query meets the states themselves;
            `"keys"` (and values) if there are; `"all"` if the head reads all tokens.
    """

    layers: int
    width: int
    heads: int
    inner: int
    gated: bool = False
    last: Literal["nothing", "keys", "all"] = "nothing"


@dataclass(frozen=True, slots=True)
class Work:
    """Mean operations per pair."""

    linear: float
    attention: float

    @property
    def total(self) -> float:
        """All operations."""
        return self.linear + self.attention


def pair_work(sizes: Sizes, lengths: Sequence[int]) -> Work:
    """Mean operations of pairs with these numbers of tokens, as few as give the same scores.

    Products with weights, and attention between tokens. What an architecture adds to attention,
    such as DeBERTa's positions, is not counted, and neither is what local attention could leave
    out.
    """
    mean, square = float(np.mean(lengths)), float(np.mean(np.square(lengths)))
    width = sizes.width
    keys = 2 * 2 * width * width
    whole = 2 * keys + 2 * (3 if sizes.gated else 2) * width * sizes.inner
    between = 4 * width * square
    linear, attention = (sizes.layers - 1) * whole * mean, (sizes.layers - 1) * between
    if sizes.last == "all":
        return Work(linear + whole * mean, attention + between)
    if sizes.last == "keys":
        return Work(linear + keys * mean + whole - keys, attention + 4 * width * mean)
    return Work(linear + whole, attention + 4 * sizes.heads * width * mean)
